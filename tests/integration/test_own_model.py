"""A collection in the space of a model that the operator brought along, and its changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.query_api.rerank.reranker import build_reranker
from services.query_api.retrieval.hits import Found, Mode, SearchQuery
from services.query_api.retrieval.results import ResultCache
from services.query_api.retrieval.search import Retriever
from shared.embeddings.build import Embedders
from shared.errors import EmbeddingMisconfigured
from shared.settings_embedding import EmbeddingSettings
from shared.settings_rerank import RerankSettings
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.model_folders import forget_folders, model_folder
from tests.support.workers import Workers, working


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    forget_folders()
    return model_folder(tmp_path / "mine")


@pytest.fixture
async def api(database_url: str, tmp_path: Path, folder: Path) -> AsyncIterator[IngestApi]:
    settings = api_settings(database_url, tmp_path)
    embedding = EmbeddingSettings(space="fake/bytes", model_dirs=(folder,))
    settings = settings.model_copy(update={"embedding": embedding})
    async with start_api(settings, tmp_path) as api:
        yield api


@pytest.fixture
async def embedders(api: IngestApi) -> AsyncIterator[Embedders]:
    embedders = Embedders(api.context.settings)
    yield embedders
    await embedders.aclose()


@pytest.fixture
async def workers(api: IngestApi, tmp_path: Path, embedders: Embedders) -> AsyncIterator[Workers]:
    async with working(api, tmp_path, embedders.of) as workers:
        yield workers


async def wished(api: IngestApi, space: str) -> dict[str, Any]:
    response = await api.client.put("/v1/collections/papers", json={"space": space})
    body: dict[str, Any] = response.json() | {"status": response.status_code}
    return body


async def sent(api: IngestApi, workers: Workers, name: str, content: str) -> str:
    answer = await upload(api.client, (name, content.encode()), collection="papers")
    await workers.work()
    job: str = answer["jobs"][0]["job_id"]
    return job


async def job(api: IngestApi, job_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await api.client.get(f"/v1/jobs/{job_id}")).json()
    return shown


async def search(api: IngestApi, embedders: Embedders, mode: Mode) -> Found:
    retriever = Retriever(
        database=api.context.database,
        vectors=api.vectors,
        embedder_of=embedders.of,
        results=ResultCache(api.context.database, max_bytes=0, ttl_s=1),
        reranker=build_reranker(RerankSettings()),
        depth=10,
    )
    return await retriever.search(
        SearchQuery("acme", "torque of the bolts", collection="papers", mode=mode)
    )


async def test_a_model_of_ones_own_fills_a_collection_and_no_other_may_go_on(
    api: IngestApi, workers: Workers, embedders: Embedders, folder: Path
) -> None:
    made = await wished(api, "onnx/mine")
    assert made["status"] == 200
    assert made["space"].startswith("onnx/mine@")
    assert (await wished(api, "onnx/mine"))["space"] == made["space"]
    first = await sent(api, workers, "a.txt", "Tighten the bolts to a torque of 120 newton metres.")
    assert (await job(api, first))["state"] == "succeeded"
    for mode in ("hybrid", "dense", "sparse"):
        found = await search(api, embedders, mode)
        assert (len(found.hits), found.degraded) == (1, ())

    # The same name, another way of asking: its vectors are other vectors.
    model_folder(folder, query_prefix="question: ")
    forget_folders()
    restarted = Embedders(api.context.settings)
    found = await search(api, restarted, "hybrid")
    assert (len(found.hits), found.degraded) == (1, ("embedder",))
    assert (await search(api, restarted, "sparse")).degraded == ()
    with pytest.raises(EmbeddingMisconfigured, match="put the old model back"):
        await search(api, restarted, "dense")
    assert (await wished(api, "onnx/mine"))["status"] == 409
    assert (await wished(api, made["space"]))["status"] == 422

    second = await sent(api, workers, "b.txt", "The pump is dry.")
    shown = await job(api, second)
    assert shown["state"] not in {"failed", "succeeded"}
    assert shown["waiting_for"]["kind"] == "operator"

    model_folder(folder)
    forget_folders()
    async with api.context.database.worker() as connection:
        await connection.execute(text("UPDATE parts SET not_before = now()"))
        await connection.execute(text("UPDATE parts SET published_at = NULL"))
    await workers.work()
    assert (await job(api, second))["state"] == "succeeded"
