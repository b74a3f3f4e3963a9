"""Reranking within its budget, with the real model behind a gate."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from typing_extensions import override

from services.query_api.rerank.cross_encoder import CrossEncoder
from services.query_api.rerank.reranker import Reranker, build_reranker
from shared.settings_rerank import RerankSettings
from shared.weights import reranker_folder
from tests.support.waiting import until

QUESTION = "How many people live in Berlin?"
PASSAGES = [
    "Berlin is well known for its museums.",
    "Berlin had a population of 3,520,031 registered inhabitants.",
    "Tighten the wheel bolts to a torque of 120 newton metres.",
]
PATIENT_S = 60.0


class GatedEncoder(CrossEncoder):
    """The real model; each pair needs a turn of the gate."""

    def __init__(self) -> None:
        super().__init__(reranker_folder(), threads=1)
        self.turns = threading.Semaphore(0)
        self.asked: list[str] = []

    @override
    def logit(self, question: str, passage: str) -> float:
        self.asked.append(passage)
        self.turns.acquire()
        return super().logit(question, passage)

    def let(self, pairs: int) -> None:
        """Let so many pairs through."""
        self.turns.release(pairs)


@pytest.fixture(scope="module")
def loaded() -> GatedEncoder:
    return GatedEncoder()


@pytest.fixture
async def model(loaded: GatedEncoder) -> AsyncIterator[GatedEncoder]:
    loaded.turns = threading.Semaphore(0)
    loaded.asked.clear()
    yield loaded
    # Lets a thread that waits at the gate come to its end.
    loaded.let(1000)


def outcomes(outcome: str) -> float:
    return REGISTRY.get_sample_value("citewell_reranks_total", {"outcome": outcome}) or 0.0


def reranker(model: CrossEncoder, *, budget_s: float = PATIENT_S) -> Reranker:
    return Reranker(lambda: model, candidates=20, budget_s=budget_s)


async def test_the_passages_are_scored_in_their_order(model: GatedEncoder) -> None:
    model.let(3)
    before = outcomes("whole")
    museums, people, bolts = await reranker(model).logits(QUESTION, PASSAGES)
    assert people > museums > bolts
    assert outcomes("whole") - before == 1
    assert await reranker(model).logits(QUESTION, []) == ()


async def test_what_was_not_read_in_time_has_no_logit(model: GatedEncoder) -> None:
    model.let(2)
    before, began = outcomes("cut"), time.monotonic()
    logits = await reranker(model, budget_s=1).logits(QUESTION, PASSAGES)
    assert len(logits) == 2
    assert time.monotonic() - began < 10
    assert outcomes("cut") - before == 1


async def test_the_wait_for_another_search_is_part_of_the_budget(model: GatedEncoder) -> None:
    shared = reranker(model, budget_s=0.3)
    both = [asyncio.create_task(shared.logits(QUESTION, PASSAGES)) for _ in range(2)]
    assert [await one for one in both] == [(), ()]
    model.let(10)
    # The second one was never begun.
    await until(lambda: len(model.asked) == 1)
    assert len(await shared.logits(QUESTION, PASSAGES)) == 3


async def test_who_would_wait_too_long_goes_without_at_once(model: GatedEncoder) -> None:
    shared = reranker(model, budget_s=0.2)
    model.let(1)
    # Learnt from one that was cut: a pair takes a good part of the budget.
    await asyncio.gather(shared.logits(QUESTION, PASSAGES), _later(model, 0.15))
    model.turns = threading.Semaphore(0)
    first = asyncio.create_task(shared.logits(QUESTION, PASSAGES * 10))
    await asyncio.sleep(0)
    before, began = outcomes("busy"), time.monotonic()
    assert await shared.logits(QUESTION, PASSAGES) == ()
    assert time.monotonic() - began < 0.1
    assert outcomes("busy") - before == 1
    assert await first == ()


async def _later(model: GatedEncoder, seconds: float) -> None:
    await asyncio.sleep(seconds)
    model.let(2)


async def test_a_search_that_is_cancelled_reads_no_further(model: GatedEncoder) -> None:
    shared = reranker(model)
    leaving = asyncio.create_task(shared.logits(QUESTION, PASSAGES))
    await until(lambda: len(model.asked) == 1)
    waiting = asyncio.create_task(shared.logits(QUESTION, PASSAGES))
    await asyncio.sleep(0)
    for task in (leaving, waiting):
        task.cancel()
    await asyncio.wait({leaving, waiting})
    model.let(100)
    assert len(await shared.logits(QUESTION, PASSAGES[:1])) == 1
    assert len(model.asked) == 2


async def test_a_model_that_is_not_there_costs_no_search(
    model: GatedEncoder, tmp_path: Path
) -> None:
    def load() -> CrossEncoder:
        return model if (tmp_path / "there").exists() else CrossEncoder(tmp_path, threads=1)

    shared = Reranker(load, candidates=20, budget_s=PATIENT_S)
    before = outcomes("failed")
    assert await shared.logits(QUESTION, PASSAGES) == ()
    assert outcomes("failed") - before == 1
    # Asked for again by the next search: what was wrong may have been mended.
    (tmp_path / "there").touch()
    model.let(3)
    assert len(await shared.logits(QUESTION, PASSAGES)) == 3


async def test_a_model_that_fails_on_a_passage_keeps_what_it_said_before(
    model: GatedEncoder,
) -> None:
    model.let(3)
    # Half a pair of surrogates is no text.
    assert len(await reranker(model).logits(QUESTION, [PASSAGES[0], "\ud800"])) == 1
    assert len(await reranker(model).logits(QUESTION, PASSAGES[:1])) == 1


async def test_a_model_that_loads_too_slowly_is_there_for_the_next(model: GatedEncoder) -> None:
    gate = threading.Event()

    def load() -> CrossEncoder:
        gate.wait()
        return model

    shared = Reranker(load, candidates=20, budget_s=0.2)
    assert await shared.logits(QUESTION, PASSAGES) == ()
    gate.set()
    model.let(10)

    async def read() -> bool:
        return len(await shared.logits(QUESTION, PASSAGES[:1])) == 1

    for _ in range(50):
        if await read():
            break
    assert await read()


async def test_a_warm_model_is_loaded_before_it_is_asked_for(model: GatedEncoder) -> None:
    loaded = threading.Event()

    def load() -> CrossEncoder:
        loaded.set()
        return model

    warm = Reranker(load, candidates=20, budget_s=PATIENT_S)
    assert not loaded.is_set()
    warm.warm()
    await until(loaded.is_set)
    warm.close()


async def test_the_settings_make_a_reranker() -> None:
    made = build_reranker(RerankSettings(candidates=7, budget_ms=30_000, threads=1, warm=True))
    assert made.candidates == 7
    assert len(await made.logits(QUESTION, PASSAGES)) == 3
    made.close()
