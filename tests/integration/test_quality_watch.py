"""The quality watch: canaries asked of a real search, and regressions that are planted in it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.database.engine import Database
from shared.embeddings import spaces
from shared.embeddings.local import LocalEmbedder
from shared.embeddings.spaces import LOCAL
from shared.settings import Settings
from shared.settings_quality import QualitySettings
from shared.vectors.base import VectorStore
from shared.weights import weights_folder
from tests.support.query_api import (
    Corpus,
    QueryApi,
    StoredVersion,
    bearer,
    query_settings,
    started_query_api,
)

# Each a chunk on a page of its own.
DOCUMENTS = {
    "handbook.pdf": (
        "Employees receive 26 days of paid annual leave. Unused days lapse at the end of March.",
        "Parents may take sixteen weeks of leave at full pay after the birth of a child.",
        "Expenses are refunded within ten working days if the receipts come with the claim.",
        "Visitors must sign in at the reception desk and wear a badge at all times.",
    ),
    "manual.pdf": (
        "Tighten the wheel bolts crosswise to a torque of 120 Nm, and check them after 50 km.",
        "Error E-1042 means that the coolant pump runs dry. Refill the tank and start it again.",
        "Replace the air filter every 15,000 km or once a year, whichever comes first.",
        "The battery is charged fully after four hours on the mains adapter supplied with it.",
    ),
    "history.txt": (
        "The lighthouse on the northern cape was built in 1874 by fishermen of the village.",
        "A storm carried away the wooden bridge over the river in the winter of 1901.",
        "The first railway reached the valley eleven years after the mine had been opened.",
        "Its school was paid for by a merchant who had made his fortune in the wool trade.",
    ),
}
QUESTIONS = 12


@pytest.fixture
def settings(database_url: str, qdrant_url: str) -> Settings:
    quality = QualitySettings(questions=QUESTIONS, keep=20)
    return query_settings(database_url, qdrant_url).model_copy(update={"quality": quality})


@pytest.fixture
def corpus(database: Database, vectors: VectorStore) -> Corpus:
    """Documents with the double's vectors."""
    return Corpus(database, vectors)


@pytest.fixture
async def local_corpus(database: Database, vectors: VectorStore) -> AsyncIterator[Corpus]:
    """Documents with the local model's vectors."""
    embedder = LocalEmbedder(LOCAL, folder=weights_folder)
    yield Corpus(database, vectors, embedder)
    await embedder.aclose()


async def load(corpus: Corpus, tenant: str = "acme") -> dict[str, StoredVersion]:
    return {
        name: await corpus.add(*texts, filename=name, tenant=tenant)
        for name, texts in DOCUMENTS.items()
    }


async def run(api: QueryApi, tenant: str = "acme", **wish: Any) -> httpx.Response:
    headers = bearer(tenant, "admin")
    return await api.http.post("/v1/quality/run", json=wish, headers=headers)


async def tick(api: QueryApi, **wish: Any) -> dict[str, Any]:
    """Run a round over `default`; return its tick."""
    response = await run(api, **wish)
    assert response.status_code == 200, response.text
    [item] = response.json()["items"]
    assert item["collection"] == "default"
    found: dict[str, Any] = item["tick"]
    return found


async def quality(api: QueryApi, tenant: str = "acme", path: str = "default") -> dict[str, Any]:
    response = await api.http.get(f"/v1/quality/{path}", headers=bearer(tenant))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def shown(collection_id: str) -> float | None:
    """What the metrics say of a collection being degraded."""
    return REGISTRY.get_sample_value("citewell_quality_degraded", {"collection": collection_id})


async def lose_points(vectors: VectorStore, corpus: Corpus, lost: set[UUID]) -> None:
    """Take points out of the vector store as if its disk had lost them, version by version."""
    index_id = corpus.indexes["acme", "default"][1]
    await vectors.delete_versions(index_id, list(lost))


class TestPlanted:
    @pytest.mark.parametrize("prefix", ["", "passage: ", "query: "])
    async def test_a_wrong_query_prefix_is_seen_within_two_ticks(
        self,
        local_corpus: Corpus,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        prefix: str,
    ) -> None:
        await load(local_corpus)
        async with started_query_api(settings) as api:
            before = [await tick(api) for _ in range(2)]
        assert before[1]["measures"]["drift"] < 0.001
        assert [one["state"] for one in before] == ["ok", "ok"]
        wrong = LOCAL.model_copy(update={"query_prefix": prefix})
        monkeypatch.setitem(spaces._KNOWN, LOCAL.name, wrong)  # noqa: SLF001
        async with started_query_api(settings) as api:
            after = [await tick(api) for _ in range(2)]
            assert [one["state"] for one in after] == ["degraded", "degraded"]
            assert "drift" in after[0]["reasons"]
            known = await quality(api)
            assert known["state"] == "degraded"
            assert known["baseline"]["cosine"] == before[0]["measures"]["cosine"]
            assert shown(known["collection_id"]) == 1

    async def test_half_the_points_missing_is_seen_within_two_ticks_and_so_is_their_return(
        self, corpus: Corpus, vectors: VectorStore, settings: Settings
    ) -> None:
        stored = await load(corpus)
        async with started_query_api(settings) as api:
            assert (await tick(api))["state"] == "ok"
            lost = {one.version_id for one in list(stored.values())[:2]}
            await lose_points(vectors, corpus, lost)
            hurt = await tick(api)
            assert hurt["state"] == "degraded"
            assert {"recall_hybrid", "recall_dense", "recall_sparse"} <= set(hurt["reasons"])
            assert hurt["measures"]["recall_hybrid"] == pytest.approx(1 / 3, abs=0.01)
            id_ = (await quality(api))["collection_id"]
            assert shown(id_) == 1
            for name in list(DOCUMENTS)[:2]:
                await restore(corpus, stored[name], name)
            assert (await tick(api))["state"] == "ok"
            assert shown(id_) == 0


async def first_ticks(api: QueryApi) -> list[dict[str, Any]]:
    """Wait for a tick that nobody waits for."""
    for _ in range(600):
        if ticks := (await quality(api))["ticks"]:
            return list(ticks)
        await asyncio.sleep(0.05)
    raise AssertionError("there is no tick after half a minute")


async def restore(corpus: Corpus, stored: StoredVersion, name: str) -> None:
    index_id = corpus.indexes["acme", "default"][1]
    payload = {
        "tenant_id": "acme",
        "filename": name,
        "media_type": "text/plain",
        "created_at": "2026-01-01T00:00:00+00:00",
        "attributes": {},
    }
    await corpus._upsert(index_id, stored, DOCUMENTS[name], payload)  # noqa: SLF001


class TestMade:
    async def test_they_are_of_every_document_and_find_their_own_chunk(
        self, corpus: Corpus, settings: Settings
    ) -> None:
        await load(corpus)
        async with started_query_api(settings) as api:
            first = await tick(api)
            canaries = (await quality(api, path="default/canaries"))["items"]
        assert first["questions"] == len(canaries) == QUESTIONS
        assert {one["document"] for one in canaries} == set(DOCUMENTS)
        assert first["measures"]["recall_sparse"] == 1
        texts = " ".join(text for texts in DOCUMENTS.values() for text in texts)
        for one in canaries:
            assert one["question"] not in texts
            assert set(one["question"].split()) <= set(texts.split())

    async def test_those_of_a_deleted_document_are_replaced(
        self, corpus: Corpus, settings: Settings
    ) -> None:
        stored = await load(corpus)
        async with started_query_api(settings) as api:
            await tick(api)
            await corpus.delete(stored["manual.pdf"])
            second = await tick(api)
            canaries = (await quality(api, path="default/canaries"))["items"]
        assert second["state"] == "ok"
        assert second["questions"] == len(canaries) == 8
        assert {one["document"] for one in canaries} == {"handbook.pdf", "history.txt"}
        assert all(one["live"] for one in canaries)

    async def test_a_collection_without_text_has_no_tick(
        self, corpus: Corpus, settings: Settings
    ) -> None:
        await corpus.collection()
        async with started_query_api(settings) as api:
            response = await run(api)
            assert response.json()["items"] == [{"collection": "default", "tick": None}]
            assert (await quality(api))["state"] == "unknown"

    async def test_the_default_collection_is_there_before_the_first_upload(
        self, settings: Settings
    ) -> None:
        async with started_query_api(settings) as api:
            assert (await run(api, collection="default")).json() == {"items": []}
            known = await quality(api)
            assert (known["state"], known["collection_id"]) == ("unknown", None)
            assert (await quality(api, path="default/canaries"))["items"] == []
            answer = await api.http.get("/v1/quality/papers", headers=bearer("acme"))
            assert answer.status_code == 404


class TestGiven:
    @pytest.fixture
    async def api(self, corpus: Corpus, settings: Settings) -> AsyncIterator[QueryApi]:
        await load(corpus)
        async with started_query_api(settings) as api:
            yield api

    async def put(self, api: QueryApi, *given: dict[str, Any]) -> httpx.Response:
        path, body = "/v1/quality/default/canaries", {"canaries": given}
        return await api.http.put(path, json=body, headers=bearer("acme", "admin"))

    async def test_they_are_asked_instead_and_the_page_counts(self, api: QueryApi) -> None:
        right = {"question": "What does E-1042 mean?", "document": "manual.pdf", "page": 2}
        elsewhere = {"question": "coolant pump", "document": "history.txt"}
        assert (await self.put(api, right, elsewhere)).status_code == 200
        found = await tick(api)
        assert found["questions"] == 2
        assert found["measures"]["mrr_sparse"] == pytest.approx(0.5)
        wrong_page = {**right, "page": 9}
        await self.put(api, wrong_page)
        assert (await tick(api))["measures"]["recall_sparse"] == 0

    async def test_one_whose_document_is_gone_is_passed_over(self, api: QueryApi) -> None:
        await self.put(
            api,
            {"question": "E-1042", "document": "manual.pdf"},
            {"question": "E-1042", "document": "never-loaded.pdf"},
        )
        found = await tick(api)
        assert (found["questions"], found["skipped"]) == (1, 1)
        assert found["measures"]["recall_sparse"] == 1

    async def test_with_none_they_are_made_again(self, api: QueryApi) -> None:
        await self.put(api, {"question": "E-1042", "document": "manual.pdf"})
        await tick(api)
        await self.put(api)
        assert (await quality(api))["baseline"] == {}
        assert (await tick(api))["questions"] == QUESTIONS

    async def test_more_than_a_tick_may_ask_are_refused(self, api: QueryApi) -> None:
        given = [{"question": f"E-{number}", "document": "a"} for number in range(QUESTIONS + 1)]
        refused = await self.put(api, *given)
        assert refused.status_code == 422
        assert "CITEWELL_QUALITY_QUESTIONS" in refused.json()["detail"]


class TestDoors:
    async def test_another_tenants_quality_is_not_to_be_seen(
        self, corpus: Corpus, settings: Settings
    ) -> None:
        await corpus.add(*DOCUMENTS["manual.pdf"], collection="secret")
        async with started_query_api(settings) as api:
            await run(api)
            stranger = bearer("other", "admin")
            for path in ("secret", "secret/canaries"):
                answer = await api.http.get(f"/v1/quality/{path}", headers=stranger)
                assert answer.status_code == 404
            put = await api.http.put(
                "/v1/quality/secret/canaries", json={"canaries": []}, headers=stranger
            )
            assert put.status_code == 404
            assert (await run(api, "other", collection="secret")).status_code == 404
            assert (await run(api, "other")).json() == {"items": []}
            metrics = (await api.http.get("/metrics")).text
            assert "secret" not in metrics
            assert "acme" not in metrics

    async def test_running_needs_an_admin(self, settings: Settings) -> None:
        async with started_query_api(settings) as api:
            answer = await api.post("/v1/quality/run")
            assert answer.status_code == 403
            answer = await api.http.put(
                "/v1/quality/default/canaries", json={"canaries": []}, headers=bearer("acme")
            )
            assert answer.status_code == 403

    async def test_what_is_due_is_run_once_and_nobody_waits_for_it(
        self, corpus: Corpus, settings: Settings
    ) -> None:
        await load(corpus)
        async with started_query_api(settings) as api:
            begun = [await run(api, due=True, wait=False) for _ in range(3)]
            assert [one.status_code for one in begun] == [202] * 3
            ticks = await first_ticks(api)
            assert (await run(api, due=True)).json() == {"items": []}
            assert len((await quality(api))["ticks"]) == len(ticks) == 1

    async def test_a_new_baseline_is_begun_when_asked_for(
        self, corpus: Corpus, vectors: VectorStore, settings: Settings
    ) -> None:
        stored = await load(corpus)
        async with started_query_api(settings) as api:
            await tick(api)
            await lose_points(vectors, corpus, {stored["manual.pdf"].version_id})
            assert (await tick(api))["state"] == "degraded"
            assert (await tick(api, rebase=True))["state"] == "ok"

    async def test_no_more_ticks_are_kept_than_set(
        self, corpus: Corpus, database: Database, settings: Settings
    ) -> None:
        await load(corpus)
        async with started_query_api(settings) as api:
            await tick(api)
            async with database.worker() as connection:
                await connection.execute(
                    text(
                        "INSERT INTO quality_ticks SELECT gen_random_uuid(), t.tenant_id,"
                        " t.collection_id, t.state, t.reasons, t.measures, 1, 0, 0, 0, true,"
                        " t.created_at - interval '1 day'"
                        " FROM quality_ticks t, generate_series(1, 30)"
                    )
                )
            newest = await tick(api)
            response = await api.http.get("/v1/quality/default?limit=100", headers=bearer("acme"))
            ticks = response.json()["ticks"]
        assert len(ticks) == 20
        assert ticks[0]["id"] == newest["id"]
