"""Reranking within a time: the passages of one search after the other, in a thread of its own.

A search waits no longer than its budget, whatever the model does and however many others ask: it
gets the scores of the passages that were read by then.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from prometheus_client import Counter, Histogram

from services.query_api.rerank.cross_encoder import CrossEncoder, load_cross_encoder
from shared.errors import CitewellError
from shared.settings_rerank import RerankSettings

RERANK_SECONDS = Histogram(
    "citewell_rerank_seconds",
    "What reranking added to a search, its wait for other searches included.",
    buckets=(0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5),
)
RERANKS = Counter(
    "citewell_reranks",
    "Searches that asked for reranking by what came of it; `busy`: others had too much to do.",
    ("outcome",),
)
RERANK_PAIRS = Counter("citewell_rerank_pairs", "Passages read together with a question.")

# What a pair is thought to take follows the last searches, each for so much.
_NEWEST_SHARE = 0.2

Outcome = Literal["whole", "cut", "busy", "failed"]

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.rerank")


@dataclass(slots=True)
class _Reading:
    """One search's passages; the thread adds logits, the loop says when to stop."""

    question: str
    passages: Sequence[str]
    logits: list[float] = field(default_factory=list)
    left: bool = False

    def read(self, model: CrossEncoder) -> None:
        for passage in self.passages:
            if self.left:
                return
            self.logits.append(model.logit(self.question, passage))
            RERANK_PAIRS.inc()


class Reranker:
    """Scores passages with a model that is loaded on first use; what fails costs no search."""

    def __init__(
        self, load: Callable[[], CrossEncoder], *, candidates: int, budget_s: float
    ) -> None:
        """Take a way to load the model, the most passages of a search, and its longest time."""
        self._load = load
        self.candidates = candidates
        self._budget_s = budget_s
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rerank")
        self._model: CrossEncoder | None = None
        self._pairs_ahead = 0
        self._pair_s = 0.0

    async def logits(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """Return the logits of the first passages, as many as there is time for.

        There are none, and no wait, where the searches ahead are thought to take all of it.
        Cancelled, it reads no further passage.
        """
        if not passages:
            return ()
        if self._pairs_ahead * self._pair_s >= self._budget_s:
            RERANKS.labels("busy").inc()
            return ()
        reading = _Reading(question, passages)
        with RERANK_SECONDS.time():
            failed = await self._in_time(reading)
        logits = tuple(reading.logits)
        RERANKS.labels(_outcome(failed=failed, whole=len(logits) == len(passages))).inc()
        return logits

    def warm(self) -> None:
        """Begin to load the model."""
        self._worker.submit(self._read, _Reading("", ()))

    def close(self) -> None:
        """Stop after the pair that is being read."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _in_time(self, reading: _Reading) -> bool:
        """Wait for a reading, or for the end of its budget; tell whether it failed."""
        self._pairs_ahead += len(reading.passages)
        work = asyncio.get_running_loop().run_in_executor(self._worker, self._read, reading)
        try:
            await asyncio.wait({work}, timeout=self._budget_s)
            return work.done() and not work.result()
        finally:
            self._pairs_ahead -= len(reading.passages)
            # Who leaves takes the work along: begun, it ends with its pair; else it never begins.
            reading.left = True
            work.cancel()

    def _read(self, reading: _Reading) -> bool:
        """Read the passages; tell whether that worked. Only the one worker thread comes here."""
        try:
            if self._model is None:
                self._model = self._load()
            began = time.perf_counter()
            reading.read(self._model)
        except CitewellError as error:
            logger.warning("reranker_down", code=error.code, why=error.detail)
            return False
        except Exception as error:
            logger.exception("reranker_failed", error=type(error).__name__)
            return False
        if reading.logits:
            self._learn((time.perf_counter() - began) / len(reading.logits))
        return True

    def _learn(self, pair_s: float) -> None:
        self._pair_s += (pair_s - self._pair_s) * (_NEWEST_SHARE if self._pair_s else 1.0)


def _outcome(*, failed: bool, whole: bool) -> Outcome:
    if failed:
        return "failed"
    return "whole" if whole else "cut"


def build_reranker(settings: RerankSettings) -> Reranker:
    """Return the local model's reranker; the model is loaded now if the settings say so."""
    reranker = Reranker(
        partial(load_cross_encoder, settings.threads),
        candidates=settings.candidates,
        budget_s=settings.budget_ms / 1000,
    )
    if settings.warm:
        reranker.warm()
    return reranker
