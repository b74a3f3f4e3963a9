"""The watch as Prometheus metrics: the newest tick of each collection, from Postgres.

Every query process shows the same, whichever of them ran the tick. A collection is labelled by its
id: metrics are open to whoever reaches the service, and names are the tenants' own.
"""

import asyncio

import structlog
from prometheus_client import Counter, Gauge

from shared.database.engine import Database
from shared.database.quality import LatestTick, Quality
from shared.errors import CitewellError

REFRESH_S = 30.0

MEASURES = Gauge(
    "citewell_quality_ratio",
    "What the newest tick of the quality watch measured, by the collection's id.",
    ("collection", "measure"),
)
DEGRADED = Gauge(
    "citewell_quality_degraded",
    "1 while the newest tick of a collection is past a threshold, by its id.",
    ("collection",),
)
AGE = Gauge(
    "citewell_quality_age_seconds", "Time since a collection's newest tick.", ("collection",)
)
TICKS = Counter("citewell_quality_ticks", "Ticks of the quality watch by state.", ("state",))
PROVIDER_CALLS = Counter(
    "citewell_quality_provider_calls", "Embedding calls that canaries took from providers."
)

log: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.quality")


class QualityGauges:
    """Keeps the metrics of up to `series` collections in line with the database."""

    def __init__(self, database: Database, *, series: int) -> None:
        """Take the database, and how many collections are shown, degraded ones first."""
        self._database = database
        self._series = series

    async def run(self) -> None:
        """Refresh now and then until cancelled."""
        while True:
            try:
                await self.refresh()
            except CitewellError as error:
                log.warning("quality_not_shown", code=error.code, detail=error.detail)
            await asyncio.sleep(REFRESH_S)

    async def refresh(self) -> None:
        """Show the newest ticks there are.

        Raises:
            DatabaseUnavailable: Postgres does not answer.
        """
        async with self._database.worker() as connection:
            ticks = await Quality(connection).latest(limit=self._series)
        # Nothing waits in between: no scrape sees half of it.
        for gauge in (MEASURES, DEGRADED, AGE):
            gauge.clear()
        for tick in ticks:
            _show(tick)


def _show(tick: LatestTick) -> None:
    collection = str(tick.id)
    DEGRADED.labels(collection).set(tick.state == "degraded")
    AGE.labels(collection).set(tick.age_s)
    for name, value in tick.measures.items():
        MEASURES.labels(collection, name).set(value)
