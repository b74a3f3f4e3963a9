"""One canary asked in every mode through the real search, past every cache."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Literal
from uuid import UUID

from services.query_api.quality.verdict import MODES
from services.query_api.retrieval.hits import Found, Hit, SearchQuery
from shared.database.quality import CanaryRow
from shared.errors import CitewellError, DatabaseUnavailable, NotFound, VectorStoreUnavailable

# Hits among which the expected one must be.
K = 10

Search = Callable[[SearchQuery], Awaitable[Found]]
Mode = Literal["hybrid", "dense", "sparse"]
# Without these nothing can be said of quality: the round ends, and is no tick.
_NO_ANSWER = (DatabaseUnavailable, VectorStoreUnavailable, NotFound)


@dataclass(slots=True)
class Round:
    """What the canaries of one round found, each added by `ask`.

    `ranks` are those of the expected hits by mode, 0 for one that is not among the first K;
    `cosines` are theirs by canary, `changes` how far they are from those of its first good tick.
    """

    ranks: dict[str, list[int]] = field(default_factory=lambda: {mode: [] for mode in MODES})
    cosines: dict[UUID, float] = field(default_factory=dict)
    changes: list[float] = field(default_factory=list)
    relevances: list[float] = field(default_factory=list)
    abstained: int = 0
    errors: int = 0

    def measures(self) -> dict[str, float]:
        """Return every measure; those of hits are left out where nothing was found."""
        measured = {"abstained": self.abstained / max(1, len(self.ranks["hybrid"]))}
        for mode, ranks in self.ranks.items():
            measured[f"recall_{mode}"] = fmean(float(rank > 0) for rank in ranks)
            measured[f"mrr_{mode}"] = fmean(1 / rank if rank else 0.0 for rank in ranks)
        if self.cosines:
            measured["cosine"] = fmean(self.cosines.values())
        if self.changes:
            # A few change with their documents, all with the embedder.
            measured["drift"] = median(self.changes)
        if self.relevances:
            measured["relevance"] = fmean(self.relevances)
        return {name: round(value, 4) for name, value in measured.items()}


async def ask(
    search: Search, tenant_id: str, collection: str, canary: CanaryRow, asked: Round
) -> None:
    """Ask a canary in each mode and add what was found.

    An embedder that fails is an error of the round: what it was to find was not found.

    Raises:
        VectorStoreUnavailable, DatabaseUnavailable, NotFound: nothing can be searched now.
    """
    for mode in ("hybrid", "dense", "sparse"):
        query = SearchQuery(tenant_id, canary.question, collection, limit=K, mode=mode)
        try:
            found = await search(query)
        except _NO_ANSWER:
            raise
        except CitewellError:
            asked.errors += 1
            found = Found((), floor=0.0)
        _add(asked, mode, canary, found)


def _add(asked: Round, mode: Mode, canary: CanaryRow, found: Found) -> None:
    rank = _rank(canary, found.hits)
    asked.ranks[mode].append(rank)
    if mode == "hybrid":
        best = max((hit.score for hit in found.hits), default=0.0)
        asked.relevances.append(best)
        asked.abstained += not found.hits or best < found.floor
    if mode == "dense" and rank:
        _add_cosine(asked, canary, found.hits[rank - 1].scores.dense)


def _add_cosine(asked: Round, canary: CanaryRow, cosine: float | None) -> None:
    if cosine is None:
        return
    asked.cosines[canary.id] = cosine
    if canary.cosine is not None:
        asked.changes.append(abs(cosine - canary.cosine))


def _rank(canary: CanaryRow, hits: Sequence[Hit]) -> int:
    return next((rank for rank, hit in enumerate(hits, 1) if _is_expected(canary, hit)), 0)


def _is_expected(canary: CanaryRow, hit: Hit) -> bool:
    """Tell whether a hit is the canary's own chunk, or stands in the document it names."""
    if canary.chunk_id is not None:
        return hit.chunk.id == canary.chunk_id
    on_page = canary.page is None or hit.chunk.page_start <= canary.page <= hit.chunk.page_end
    return hit.chunk.filename == canary.document and on_page
