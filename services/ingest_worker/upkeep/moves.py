"""How reindexes come along, told in one place: a metric and a line in the log."""

import structlog
from prometheus_client import Counter

from shared.database.reindexes import ReindexStage

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

REINDEX_MOVES = Counter(
    "citewell_reindex_moves", "Reindexes that came to another stage.", ("stage",)
)


def tell_move(stage: ReindexStage, **which: str) -> None:
    """Count a reindex that came to a stage, and say which one it is."""
    REINDEX_MOVES.labels(stage).inc()
    log.info("reindex_moved", stage=stage, **which)
