"""The embedded Qdrant server as a process, driven by the unmodified `qdrant-client`."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tests.support.qdrant import QdrantServer, run_qdrant

VECTORS = {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}
TERMS = {"terms": models.SparseVectorParams(modifier=models.Modifier.IDF)}
KILLS = 5
# Of a stop in good order; the stack's own patience is longer.
STOP_S = 3.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with run_qdrant(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(url=url, timeout=30, check_compatibility=False)
    yield client
    await client.close()


@pytest.fixture
async def client(server: QdrantServer) -> AsyncIterator[AsyncQdrantClient]:
    async with connected(server.url) as client:
        yield client
        for collection in (await client.get_collections()).collections:
            await client.delete_collection(collection.name)


def row(number: int) -> models.PointStruct:
    return models.PointStruct(
        id=number,
        vector={
            "dense": [1.0, float(number), 0.0, 0.0],
            "terms": models.SparseVector(indices=[1, number + 10], values=[1.0, 1.0]),
        },
        payload={"n": number, "kind": "even" if number % 2 == 0 else "odd"},
    )


async def make(client: AsyncQdrantClient, name: str, rows: int = 5) -> None:
    await client.create_collection(name, vectors_config=VECTORS, sparse_vectors_config=TERMS)
    if rows:
        await client.upsert(name, [row(number) for number in range(1, rows + 1)], wait=True)


def kind(value: str) -> models.Filter:
    return models.Filter(
        must=[models.FieldCondition(key="kind", match=models.MatchValue(value=value))]
    )


class TestClient:
    async def test_it_finds_the_server_compatible(self, server: QdrantServer) -> None:
        # The check runs in a thread and would end in a warning, which is an error here.
        client = AsyncQdrantClient(url=server.url)
        assert (await client.info()).version.startswith("1.")
        await asyncio.sleep(0.2)
        await client.close()

    async def test_collections(self, client: AsyncQdrantClient) -> None:
        await make(client, "one", rows=0)
        assert await client.collection_exists("one")
        assert not await client.collection_exists("two")
        assert [c.name for c in (await client.get_collections()).collections] == ["one"]
        await client.create_payload_index("one", "kind", models.PayloadSchemaType.KEYWORD)
        diff = models.HnswConfigDiff(m=8)
        assert await client.update_collection("one", hnsw_config=diff)
        info = await client.get_collection("one")
        assert info.config.params.vectors == VECTORS
        assert info.config.params.sparse_vectors == TERMS
        assert info.config.hnsw_config.m == 8
        assert list(info.payload_schema) == ["kind"]
        await client.delete_payload_index("one", "kind")
        assert (await client.get_collection("one")).payload_schema == {}
        assert await client.delete_collection("one")
        assert not await client.delete_collection("one")

    async def test_aliases(self, client: AsyncQdrantClient) -> None:
        await make(client, "one")
        await client.update_collection_aliases(
            [
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(collection_name="one", alias_name="first")
                )
            ]
        )
        assert (await client.count("first")).count == 5
        assert [a.alias_name for a in (await client.get_aliases()).aliases] == ["first"]
        assert len((await client.get_collection_aliases("one")).aliases) == 1

    async def test_points(self, client: AsyncQdrantClient) -> None:
        await make(client, "one")
        [found] = await client.retrieve("one", [2, 99], with_vectors=["terms"])
        assert found.payload == {"n": 2, "kind": "even"}
        assert found.vector == {"terms": models.SparseVector(indices=[1, 12], values=[1.0, 1.0])}
        records, following = await client.scroll("one", kind("odd"), limit=2)
        assert ([record.id for record in records], following) == ([1, 3], 5)
        records, following = await client.scroll("one", kind("odd"), offset=following)
        assert ([record.id for record in records], following) == ([5], None)
        await client.delete("one", [1])
        await client.delete("one", models.FilterSelector(filter=kind("even")))
        assert (await client.count("one")).count == 2
        assert (await client.count("one", kind("even"))).count == 0

    async def test_payloads(self, client: AsyncQdrantClient) -> None:
        await make(client, "one", rows=3)
        await client.set_payload("one", {"a": 1}, points=[1])
        await client.overwrite_payload("one", {"b": 1}, points=kind("even"))
        await client.delete_payload("one", ["kind"], points=[3])
        records, _ = await client.scroll("one")
        assert [record.payload for record in records] == [
            {"n": 1, "kind": "odd", "a": 1},
            {"b": 1},
            {"n": 3},
        ]

    async def test_searches(self, client: AsyncQdrantClient) -> None:
        await make(client, "one")
        sparse = models.SparseVector(indices=[1, 13], values=[1.0, 1.0])
        dense = [1.0, 5.0, 0.0, 0.0]
        by_vector, by_terms = await client.query_batch_points(
            "one",
            [
                models.QueryRequest(query=dense, using="dense", limit=2, filter=kind("even")),
                models.QueryRequest(query=sparse, using="terms", limit=2, with_payload=["n"]),
            ],
        )
        assert [point.id for point in by_vector.points] == [4, 2]
        assert by_terms.points[0].payload == {"n": 3}
        fused = await client.query_points(
            "one",
            prefetch=[
                models.Prefetch(query=dense, using="dense"),
                models.Prefetch(query=sparse, using="terms"),
            ],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
        )
        assert {point.id for point in fused.points} == {1, 2, 3, 4, 5}

    async def test_errors(self, client: AsyncQdrantClient) -> None:
        await make(client, "one", rows=0)
        with pytest.raises(UnexpectedResponse) as missing:
            await client.count("two")
        assert missing.value.status_code == 404
        assert missing.value.structured()["status"]["error"] == (
            "Not found: Collection `two` doesn't exist!"
        )
        with pytest.raises(UnexpectedResponse) as taken:
            await make(client, "one")
        assert taken.value.status_code == 409
        with pytest.raises(UnexpectedResponse) as unknown:
            await client.search_matrix_pairs("one")
        assert unknown.value.status_code == 404

    async def test_many_at_once(self, client: AsyncQdrantClient) -> None:
        await make(client, "one", rows=0)
        await make(client, "two", rows=0)
        writes = [
            client.upsert(name, [row(n * 10 + m) for m in range(10)], wait=True)
            for n in range(20)
            for name in ("one", "two")
        ]
        reads = [client.query_points("one", query=[1.0] * 4, using="dense") for _ in range(20)]
        await asyncio.gather(*writes, *reads)
        assert [(await client.count(name)).count for name in ("one", "two")] == [200, 200]


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            await make(client, "one", rows=50)
            await client.create_payload_index("one", "kind", models.PayloadSchemaType.KEYWORD)
            before = (await client.get_collection("one")).config
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            after = await client.get_collection("one")
            assert (after.points_count, after.config) == (50, before)
            assert after.payload_schema["kind"].points == 50
            sparse = models.SparseVector(indices=[20], values=[1.0])
            found = await client.query_points("one", query=sparse, using="terms")
            assert [point.id for point in found.points] == [10]


async def test_no_acknowledged_point_is_lost_to_a_kill(tmp_path: Path) -> None:
    acknowledged = 0
    for kill in range(KILLS):
        with run_qdrant(tmp_path) as server:
            async with connected(server.url) as client:
                if not kill:
                    await make(client, "one", rows=0)
                assert (await client.count("one")).count >= acknowledged
                writing = asyncio.create_task(write_on(client, acknowledged))
                await asyncio.sleep(0.3 + 0.1 * kill)
                server.process.kill()
                acknowledged = await writing
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            wanted = list(range(1, acknowledged + 1))
            found = await client.retrieve("one", wanted, with_vectors=True)
            assert len(found) == acknowledged > KILLS
            assert all(set(record.vector or ()) == {"dense", "terms"} for record in found)


async def write_on(client: AsyncQdrantClient, written: int) -> int:
    """Write three points at a time until the server is gone; return how many it took."""
    try:
        while True:
            rows = [row(written + n) for n in (1, 2, 3)]
            await client.upsert("one", rows, wait=True)
            written += len(rows)
    except ResponseHandlingException:
        return written


def test_a_second_server_on_the_same_folder_says_so(tmp_path: Path) -> None:
    with run_qdrant(tmp_path) as server:
        second = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "citewell.embedded.qdrant"),
                *("--data", str(tmp_path / "data"), "--port", "1"),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 1
        assert f"is in use by process {server.process.pid}" in second.stderr
        assert "Traceback" not in second.stderr
        assert httpx.get(f"{server.url}/readyz").status_code == 200


async def test_sigterm_ends_it_in_good_order_and_soon(tmp_path: Path) -> None:
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            for name in ("one", "two", "three"):
                await make(client, name)
            start = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(server.process.wait, 20)
    assert code == 0
    assert time.monotonic() - start < STOP_S
    assert server.log.read_text() == ""


async def test_a_stop_never_waits_for_many_collections_and_loses_none(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(12)]
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            for name in names:
                await make(client, name)
            start = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, 20) == 0
    assert time.monotonic() - start < STOP_S
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            assert {(await client.count(name)).count for name in names} == {5}


async def test_a_key_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    with run_qdrant(tmp_path, api_key="secret") as server:
        async with connected(server.url) as stranger:
            with pytest.raises(UnexpectedResponse) as refused:
                await stranger.get_collections()
            assert refused.value.status_code == 401
        friend = AsyncQdrantClient(
            url=server.url, headers={"api-key": "secret"}, check_compatibility=False
        )
        assert (await friend.get_collections()).collections == []
        await friend.close()


async def test_health_and_searches_are_answered_while_a_collection_is_optimised(
    tmp_path: Path,
) -> None:
    with run_qdrant(tmp_path, "--optimize-after", "0") as server:
        async with connected(server.url) as client, httpx.AsyncClient() as http:
            await make(client, "one", rows=0)
            for start in range(0, 12_000, 1000):
                rows = [row(start + n) for n in range(1000)]
                await client.upsert("one", rows, wait=True)
            # Small vectors, so that a graph is worth it at once.
            small = models.OptimizersConfigDiff(indexing_threshold=10)
            await client.update_collection("one", optimizers_config=small)
            seen = await watch(client, http, server.url)
            assert models.CollectionStatus.YELLOW in seen
            info = await client.get_collection("one")
            assert (info.status, info.points_count) == (models.CollectionStatus.GREEN, 12_000)


async def watch(
    client: AsyncQdrantClient, http: httpx.AsyncClient, url: str
) -> set[models.CollectionStatus]:
    """Ask for health and search until the collection was optimised; return its states."""
    seen: set[models.CollectionStatus] = set()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        status = (await client.get_collection("one")).status
        if models.CollectionStatus.YELLOW in seen and status is models.CollectionStatus.GREEN:
            break
        seen.add(status)
        assert (await http.get(f"{url}/readyz", timeout=5)).status_code == 200
        found = await client.query_points("one", query=[1.0, 5.0, 0.0, 0.0], using="dense")
        assert found.points[0].id == 5
    return seen


async def test_a_collection_survives_kills_while_it_is_optimised(tmp_path: Path) -> None:
    for kill in range(KILLS):
        with run_qdrant(tmp_path, "--optimize-after", "0") as server:
            async with connected(server.url) as client:
                if not kill:
                    await make(client, "one", rows=500)
                assert (await client.count("one")).count == 500 + kill
                await client.update_collection("one", hnsw_config=models.HnswConfigDiff(m=8 + kill))
                await asyncio.sleep(0.8 + 0.25 * kill)
                await client.upsert("one", [row(10_000 + kill)], wait=True)
                server.process.kill()
    with run_qdrant(tmp_path) as server:
        async with connected(server.url) as client:
            assert (await client.count("one")).count == 500 + KILLS
            # Whatever the killed servers left is gone: one shard is one folder.
            assert len(os.listdir(tmp_path / "data" / "shards")) == 1  # noqa: PTH208 - names alone
