"""The clock tells the query service whose canaries are due, and what canaries cost is counted."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from services.ingest_worker.celery_settings import celery_settings
from services.ingest_worker.messages import WATCH_QUALITY
from services.ingest_worker.quality_clock import QualityClock
from shared.database.engine import Database
from shared.embeddings.build import build_embedder
from shared.embeddings.spaces import OPENAI_SMALL
from shared.settings import QdrantSettings, Settings
from shared.settings_providers import OpenAISettings
from shared.settings_quality import QualitySettings
from shared.vectors.base import VectorStore
from tests.support.apps import query_app
from tests.support.provider import KEY, Provider, start_provider
from tests.support.query_api import Corpus, bearer, query_settings, started_query_api
from tests.support.serving import served

TEXTS = (
    "Tighten the wheel bolts crosswise to a torque of 120 Nm, and check them after 50 km.",
    "Error E-1042 means that the coolant pump runs dry. Refill the tank and start it again.",
    "Replace the air filter every 15,000 km or once a year, whichever comes first.",
)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture
def settings(database_url: str, qdrant_url: str) -> Settings:
    return query_settings(database_url, qdrant_url)


def reached(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"quality": QualitySettings(url=url)})


async def ticks(database: Database) -> list[tuple[str, int]]:
    """Every tick there is: whose, and how many canaries were asked."""
    async with database.worker() as connection:
        rows = await connection.execute(
            text("SELECT tenant_id, questions FROM quality_ticks ORDER BY tenant_id")
        )
        return [(row.tenant_id, row.questions) for row in rows]


async def some_ticks(database: Database, number: int) -> list[tuple[str, int]]:
    for _ in range(600):
        if len(found := await ticks(database)) >= number:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"there are not {number} ticks after half a minute")


async def test_every_tenant_that_is_due_is_gone_over_once(
    database: Database, vectors: VectorStore, settings: Settings
) -> None:
    corpus = Corpus(database, vectors)
    await corpus.add(*TEXTS, tenant="acme")
    await corpus.add(*TEXTS[:2], tenant="other")
    async with query_app(settings) as app, served(app) as port:
        told = reached(settings, f"http://127.0.0.1:{port}")
        clock = QualityClock(database, told.quality, told.auth)
        assert await clock.tick() == "2 of 2 tenants' canaries begun"
        assert await some_ticks(database, 2) == [("acme", 3), ("other", 2)]
        assert await clock.tick() == "0 of 0 tenants' canaries begun"


async def test_a_query_service_that_is_away_or_refuses_is_tried_by_the_next_tick(
    database: Database, vectors: VectorStore, settings: Settings
) -> None:
    await Corpus(database, vectors).add(*TEXTS)
    away = QualityClock(database, reached(settings, "http://127.0.0.1:9").quality, settings.auth)
    assert await away.tick() == "0 of 1 tenants' canaries begun"
    stranger = settings.auth.model_copy(update={"secret": SecretStr("x" * 40)})
    async with query_app(settings) as app, served(app) as port:
        told = reached(settings, f"http://127.0.0.1:{port}")
        refused = QualityClock(database, told.quality, stranger)
        assert await refused.tick() == "0 of 1 tenants' canaries begun"
    assert await ticks(database) == []


def test_the_clock_goes_only_where_it_is_told_where_to(settings: Settings) -> None:
    assert WATCH_QUALITY not in celery_settings(settings)["beat_schedule"]
    schedule = celery_settings(reached(settings, "http://query:8000"))["beat_schedule"]
    assert schedule[WATCH_QUALITY]["schedule"] == 3600


class TestProvider:
    @pytest.fixture
    async def paid(
        self, database: Database, vectors: VectorStore, settings: Settings, provider: Provider
    ) -> Settings:
        """A collection in a provider's space; what loading it took is forgotten."""
        openai = OpenAISettings(api_key=SecretStr(KEY), base_url=provider.url)
        paid = settings.model_copy(update={"openai": openai})
        embedder = build_embedder(OPENAI_SMALL, paid)
        await Corpus(database, vectors, embedder).add(*TEXTS)
        await embedder.aclose()
        provider.behave()
        return paid

    async def test_each_canary_is_one_call_a_tick_and_no_cache_answers(
        self, paid: Settings, provider: Provider
    ) -> None:
        async with started_query_api(paid) as api:
            for number in (1, 2):
                [item] = (await _run(api)).json()["items"]
                assert item["tick"]["provider_calls"] == 3
                assert len(provider.requests) == 3 * number

    async def test_an_embedder_that_fails_is_a_degraded_tick(
        self, paid: Settings, provider: Provider
    ) -> None:
        async with started_query_api(paid) as api:
            [well] = (await _run(api)).json()["items"]
            assert well["tick"]["state"] == "ok"
            provider.down = True
            [hurt] = (await _run(api)).json()["items"]
        assert hurt["tick"]["state"] == "degraded"
        assert hurt["tick"]["errors"] == 3
        assert "recall_dense" in hurt["tick"]["reasons"]
        assert hurt["tick"]["measures"]["recall_hybrid"] == 1


async def test_without_a_vector_store_there_is_no_tick(
    database: Database, vectors: VectorStore, settings: Settings
) -> None:
    await Corpus(database, vectors).add(*TEXTS)
    gone = settings.model_copy(update={"qdrant": QdrantSettings(url="http://127.0.0.1:9")})
    async with started_query_api(gone) as api:
        assert (await _run(api)).status_code == 503
    assert await ticks(database) == []


async def _run(api: Any) -> Any:
    return await api.http.post("/v1/quality/run", json={}, headers=bearer("acme", "admin"))
