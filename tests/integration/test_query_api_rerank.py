"""Reranking over HTTP with the real models and stores."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from services.query_api.rerank import cross_encoder
from shared.database.engine import Database
from shared.embeddings.local import LocalEmbedder
from shared.embeddings.spaces import LOCAL
from shared.settings import Settings
from shared.settings_rerank import RerankSettings
from shared.vectors.base import VectorStore
from shared.weights import weights_folder
from tests.support.apps import query_app
from tests.support.query_api import Corpus, QueryApi, bearer, query_settings, started_query_api
from tests.support.serving import served
from tests.support.waiting import until

QUESTION = "How many people live in Berlin?"
# Has more of the question's words, and answers it less.
WORDS = "The Berlin people's orchestra plays live music."
ANSWER = "Berlin had a population of 3,520,031 registered inhabitants in 2015."
OTHERS = (
    "Berlin is well known for its museums.",
    "Tighten the wheel bolts to a torque of 120 newton metres.",
)
PATIENT_MS = 30_000


@pytest.fixture
async def corpus(database: Database, vectors: VectorStore) -> AsyncIterator[Corpus]:
    embedder = LocalEmbedder(LOCAL, folder=weights_folder)
    corpus = Corpus(database, vectors, embedder)
    await corpus.add(WORDS, ANSWER, *OTHERS, filename="cities.txt")
    yield corpus
    await embedder.aclose()


@pytest.fixture
def settings(database_url: str, qdrant_url: str) -> Settings:
    return query_settings(database_url, qdrant_url)


@asynccontextmanager
async def started(settings: Settings, **changes: Any) -> AsyncIterator[QueryApi]:
    """Start a query API that reranks with patience, but for what a test changes."""
    rerank = RerankSettings(**{"budget_ms": PATIENT_MS, "threads": 1, **changes})
    async with started_query_api(settings.model_copy(update={"rerank": rerank})) as api:
        yield api


def texts(found: dict[str, Any]) -> list[str]:
    return [hit["text"] for hit in found["hits"]]


def reranks(found: dict[str, Any]) -> list[float | None]:
    return [hit["scores"]["rerank"] for hit in found["hits"]]


def reranked() -> float:
    """Return how many searches were reranked in this process, or were to be."""
    kinds = ("whole", "cut", "busy", "failed")
    name = "citewell_reranks_total"
    return sum(REGISTRY.get_sample_value(name, {"outcome": kind}) or 0 for kind in kinds)


def pairs() -> float:
    return REGISTRY.get_sample_value("citewell_rerank_pairs_total") or 0.0


@pytest.mark.usefixtures("corpus")
async def test_the_passage_that_answers_comes_first(settings: Settings) -> None:
    async with started(settings) as api:
        assert texts(await api.search(QUESTION))[:2] == [WORDS, ANSWER]
        assert texts(await api.search(QUESTION, rerank=True))[:2] == [ANSWER, WORDS]


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_every_mode_is_reranked_and_says_by_what(settings: Settings, mode: str) -> None:
    async with started(settings) as api:
        plain = await api.search(QUESTION, mode=mode)
        found = await api.search(QUESTION, mode=mode, rerank=True)
    assert set(reranks(plain)) == {None}
    assert texts(found).index(ANSWER) <= texts(plain).index(ANSWER)
    assert texts(found).index(ANSWER) < texts(found).index(OTHERS[0])
    said = reranks(found)
    assert (said[texts(found).index(ANSWER)] or 0) > 0.9
    assert all(score is not None and 0 <= score <= 1 for score in said)
    fused = {hit["text"]: hit["scores"]["fused"] for hit in plain["hits"]}
    assert {hit["text"]: hit["scores"]["fused"] for hit in found["hits"]} == fused
    assert "degraded" not in found
    assert found["timings"]["rerank"] > 0


@pytest.mark.usefixtures("corpus")
async def test_an_answer_rests_on_the_reranked_hits(settings: Settings) -> None:
    async with started(settings) as api:
        body: dict[str, Any] = {"context_limit": 1, "score_threshold": 0}
        assert "3,520,031" not in (await api.ask(QUESTION, **body))["answer"]
        assert "3,520,031" in (await api.ask(QUESTION, rerank=True, **body))["answer"]


@pytest.mark.usefixtures("corpus")
async def test_as_many_are_read_as_the_setting_says(settings: Settings) -> None:
    async with started(settings, candidates=2) as api:
        found = await api.search(QUESTION, rerank=True)
        assert texts(found)[0] == ANSWER
        assert [score is None for score in reranks(found)] == [False, False, True, True]
        # All that were to be read were read: nothing is missing.
        assert "degraded" not in found
        # Even where fewer are asked for than are read.
        assert texts(await api.search(QUESTION, rerank=True, limit=1)) == [ANSWER]


@pytest.mark.usefixtures("corpus")
async def test_without_time_the_order_is_the_fused_one_and_that_is_told(
    settings: Settings,
) -> None:
    async with started(settings, budget_ms=1) as api:
        plain = await api.search(QUESTION)
        before = pairs()
        for _ in range(2):
            found = await api.search(QUESTION, rerank=True)
            assert found["degraded"] == ["rerank"]
            assert texts(found) == texts(plain)
            assert set(reranks(found)) == {None}
        assert pairs() - before <= 2
        answer = await api.ask(QUESTION, rerank=True)
        assert answer["degraded"] == ["rerank"]


@pytest.mark.usefixtures("corpus")
async def test_a_search_that_was_cut_is_not_remembered(settings: Settings) -> None:
    async with started(settings) as api:
        whole = await api.search(QUESTION, rerank=True)
        before = pairs()
        assert texts(await api.search(QUESTION, rerank=True)) == texts(whole)
        assert pairs() == before
    async with started(settings, budget_ms=1) as api:
        asked = reranked()
        for more in (1, 2):
            await api.search(QUESTION, rerank=True)
            assert reranked() - asked == more


@pytest.mark.usefixtures("corpus")
async def test_altered_weights_cost_no_search(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_encoder, "RERANKER_MODEL_SHA256", "0" * 64)
    async with started(settings) as api:
        found = await api.search(QUESTION, rerank=True)
        assert (found["degraded"], texts(found)[0]) == (["rerank"], WORDS)


async def test_an_empty_collection_has_nothing_to_rerank(
    settings: Settings, database: Database, vectors: VectorStore
) -> None:
    await Corpus(database, vectors).collection()
    async with started(settings) as api:
        found = await api.search(QUESTION, rerank=True)
        assert (found["hits"], "degraded" in found) == ([], False)


async def test_sixteen_at_once_all_get_an_answer_in_time(
    settings: Settings, corpus: Corpus
) -> None:
    for number in range(20):
        await corpus.add(f"{ANSWER} {'It is a large city. ' * 20}", filename=f"{number}.txt")
    async with started(settings, budget_ms=1000) as api:
        await api.search("warm", rerank=True)
        asked = [api.search(f"{QUESTION} {n}", rerank=True) for n in range(16)]
        found = await asyncio.gather(*asked)
    assert all(one["hits"] for one in found)
    told = [one.get("degraded") for one in found]
    assert set(map(str, told)) <= {"None", "['rerank']"}
    # One after the other they would take many seconds; nobody waits for more than the budget.
    assert max(one["timings"]["rerank"] for one in found) < 3000
    read = [sum(score is not None for score in reranks(one)) for one in found]
    assert all("degraded" in one or count == 10 for one, count in zip(found, read, strict=True))


async def test_a_client_that_leaves_stops_the_reading(settings: Settings, corpus: Corpus) -> None:
    long = "The museums of the city are open on all days. " * 40
    await corpus.add(*(f"Berlin {n}. {long}" for n in range(60)), filename="long.txt")
    rerank = RerankSettings(budget_ms=PATIENT_MS, threads=1, candidates=60)
    known = settings.model_copy(update={"rerank": rerank})
    async with query_app(known) as app, served(app) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            before = pairs()
            asked = asyncio.create_task(
                http.post(
                    "/v1/search",
                    json={"query": QUESTION, "rerank": True},
                    headers=bearer("acme"),
                    timeout=PATIENT_MS,
                )
            )
            await until(lambda: pairs() > before, within_s=PATIENT_MS / 1000)
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
        await asyncio.sleep(1)
        stopped = pairs()
        assert stopped - before < 60
        await asyncio.sleep(0.5)
        assert pairs() == stopped
