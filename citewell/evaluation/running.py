"""Asks a server every question in every mode, a few at a time, and keeps what each was worth."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from citewell.client.asynchronous import AsyncClient
from citewell.client.models import SearchMode
from citewell.client.search_models import Hit, SearchResult
from citewell.evaluation.measures import ndcg, recall, reciprocal_rank
from citewell.evaluation.sets import EvalSet, Question

DEPTH = 100
CUT = 10


@dataclass(frozen=True, slots=True)
class Way:
    """One way to search."""

    mode: SearchMode
    rerank: bool = False

    @property
    def name(self) -> str:
        """How it is called in tables: `hybrid`, `hybrid+rerank`."""
        return f"{self.mode}+rerank" if self.rerank else self.mode


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one search was worth, by the name of the measure, and the seconds it took."""

    values: Mapping[str, float]
    seconds: float
    degraded: tuple[str, ...] = ()


@dataclass(slots=True)
class Measured:
    """The questions so far that were asked in every way, each with its outcomes in that order."""

    ways: Sequence[Way]
    outcomes: list[tuple[Outcome, ...]] = field(default_factory=list)


class Evaluation:
    """One run over a set; what was measured is kept, also when it is interrupted."""

    def __init__(
        self,
        client: AsyncClient,
        asked: EvalSet,
        measured: Measured,
        *,
        progress: Callable[[int], None],
    ) -> None:
        """Take whom to ask what, and where to keep it; `progress` is told the questions done."""
        self._client = client
        self._set = asked
        self._measured = measured
        self._progress = progress

    async def run(self, *, concurrency: int) -> None:
        """Ask every question in every way, up to `concurrency` questions at once.

        Raises:
            ProblemError, ServerUnreachable: a search fails beyond the client's patience.
        """
        waiting = iter(enumerate(self._set.questions))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._ask_each(waiting))
        except ExceptionGroup as errors:
            # What went wrong first is what there is to say.
            raise errors.exceptions[0] from errors

    async def _ask_each(self, waiting: Iterator[tuple[int, Question]]) -> None:
        # The askers share one iterator, so each question is taken once.
        for number, question in waiting:
            self._measured.outcomes.append(await self._ask(number, question))
            self._progress(len(self._measured.outcomes))

    async def _ask(self, number: int, question: Question) -> tuple[Outcome, ...]:
        """Ask in every way, each question beginning with another one.

        Who asks first pays for the question's vector: so all of them pay equally often.
        """
        ways = self._measured.ways
        outcomes: dict[Way, Outcome] = {}
        for at in range(len(ways)):
            way = ways[(number + at) % len(ways)]
            outcomes[way] = await self._outcome(question, way)
        return tuple(outcomes[way] for way in ways)

    async def _outcome(self, question: Question, way: Way) -> Outcome:
        started = time.perf_counter()
        found = await self._client.search(
            question.text,
            collection=question.collection or self._set.collection,
            limit=DEPTH,
            mode=way.mode,
            rerank=way.rerank,
        )
        seconds = time.perf_counter() - started
        return Outcome(worth(question, found), seconds, found.degraded or ())


def worth(question: Question, found: SearchResult) -> dict[str, float]:
    """Return every measure of one search; a document's rank is that of its best chunk.

    As BEIR does, a document that is the question itself is passed over (arguana's rule).
    """
    names = dict.fromkeys(hit.filename for hit in found.hits)
    ranking = [name for name in names if name != question.unwanted]
    wanted = question.wanted
    values = {
        f"ndcg@{CUT}": ndcg(ranking, wanted, CUT),
        f"recall@{CUT}": recall(ranking, wanted, CUT),
        f"recall@{DEPTH}": recall(ranking, wanted, DEPTH),
        f"mrr@{CUT}": reciprocal_rank(ranking, wanted, CUT),
    }
    if question.pages:
        values["page@1"] = _on_page(question, found.hits[:1])
        values[f"page@{CUT}"] = _on_page(question, found.hits[:CUT])
    return values


def _on_page(question: Question, hits: Sequence[Hit]) -> float:
    """Return 1 if one of these hits stands on the expected page of its document, else 0."""
    pages = question.pages
    return float(
        any(
            hit.filename in pages and hit.page_start <= pages[hit.filename] <= hit.page_end
            for hit in hits
        )
    )
