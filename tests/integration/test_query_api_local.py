"""Answers with no key and no network: the local model's floor on real text."""

from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest
import pytest_asyncio

from services.query_api.retrieval.relevance.fits import Way, fit_of
from shared.database.engine import build_database
from shared.embeddings.local import LocalEmbedder
from shared.embeddings.spaces import LOCAL
from shared.settings import DatabaseSettings, QdrantSettings
from shared.vectors.build import build_vector_store
from shared.weights import weights_folder
from tests.support.databases import Databases, with_name
from tests.support.postgres import PATIENT_S
from tests.support.query_api import Corpus, QueryApi, query_settings, started_query_api

HANDBOOK = (
    "Employees receive 26 days of paid annual leave. Unused days lapse at the end of March.",
    "Parents may take sixteen weeks of leave at full pay after the birth or adoption of a child.",
    "Expenses are refunded within ten working days if the receipts are attached to the claim.",
    "Visitors must sign in at the reception and wear a badge at all times.",
)
MANUAL = (
    "Tighten the wheel bolts crosswise to a torque of 120 Nm, and check them after 50 km.",
    "Error E-1042 means that the coolant pump runs dry. Refill the tank and restart the unit.",
    "Replace the air filter every 15,000 km or once a year, whichever comes first.",
)


# The model is loaded once: no test changes what there is.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def local_url(databases: Databases, services_url: str) -> Iterator[str]:
    with databases.lent() as name:
        yield with_name(services_url, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(local_url: str, qdrant_url: str) -> AsyncIterator[QueryApi]:
    database = build_database(DatabaseSettings(url=local_url, pool_timeout_s=PATIENT_S))
    vectors = build_vector_store(QdrantSettings(url=qdrant_url))
    embedder = LocalEmbedder(LOCAL, folder=weights_folder)
    corpus = Corpus(database, vectors, embedder)
    await corpus.add(*HANDBOOK, filename="handbook.pdf")
    await corpus.add(*MANUAL, filename="manual.pdf")
    for number, text in enumerate(MANUAL):
        await corpus.add(text, filename=f"{number}.txt", collection="small")
    await corpus.add(MANUAL[2], filename="filter.txt", collection="single")
    for part in (embedder, vectors, database):
        await part.aclose()
    async with started_query_api(query_settings(local_url, qdrant_url)) as api:
        yield api


@pytest.mark.parametrize(
    ("question", "words", "source"),
    [
        ("How long is paid leave for new parents?", "sixteen weeks", "handbook.pdf, page 2"),
        ("How many vacation days do I get in a year?", "26 days", "handbook.pdf, page 1"),
        ("What torque do the wheel bolts need?", "120 Nm", "manual.pdf, page 1"),
        ("What does E-1042 mean?", "coolant pump", "manual.pdf, page 2"),
        ("When should the air filter be replaced?", "15,000 km", "manual.pdf, page 3"),
    ],
)
async def test_a_question_the_documents_answer_is_answered(
    api: QueryApi, question: str, words: str, source: str
) -> None:
    answer = await api.ask(question)
    assert answer["abstained"] is False
    assert words in answer["answer"]
    assert f"[Source: {source}]" in answer["sources"]


@pytest.mark.parametrize(
    "question",
    [
        "Who painted the Mona Lisa?",
        "What is the capital of Mongolia?",
        "How do I bake sourdough bread?",
        "Which team won the world cup in 2014?",
        "What is the boiling point of mercury?",
    ],
)
async def test_a_question_about_something_else_is_not_answered(
    api: QueryApi, question: str
) -> None:
    answer = await api.ask(question)
    assert answer["abstained"] is True
    assert answer["best_score"] < fit_of(LOCAL.name, "hybrid").floor
    assert answer["sources"] == []


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
@pytest.mark.parametrize("collection", ["default", "small"])
async def test_relevance_tells_what_answers_from_what_does_not(
    api: QueryApi, mode: str, collection: str
) -> None:
    asked = {"mode": mode, "collection": collection}
    answers = await api.search("What torque do the wheel bolts need?", **asked)
    best, *further = answers["hits"]
    floor = fit_of(LOCAL.name, cast("Way", mode)).floor
    assert "120 Nm" in best["text"]
    assert best["score"] > (0.25 if mode == "sparse" else 0.5)
    assert all(hit["score"] < best["score"] / 2 for hit in further)
    cut = await api.search(
        "What torque do the wheel bolts need?", score_threshold=best["score"] - 0.01, **asked
    )
    assert [hit["chunk_id"] for hit in cut["hits"]] == [best["chunk_id"]]
    others = await api.search("Who painted the Mona Lisa?", **asked)
    assert all(hit["score"] < floor for hit in others["hits"])


@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
async def test_a_collection_of_one_chunk_is_told_from_a_question_about_something_else(
    api: QueryApi, mode: str
) -> None:
    asked = {"mode": mode, "collection": "single"}
    floor = fit_of(LOCAL.name, cast("Way", mode)).floor
    answers = await api.search("When should the air filter be replaced?", **asked)
    assert [hit["score"] > max(0.5, floor) for hit in answers["hits"]] == [True]
    others = await api.search("Who painted the Mona Lisa?", **asked)
    assert all(hit["score"] < floor for hit in others["hits"])
