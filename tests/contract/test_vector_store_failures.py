"""What callers are told when Qdrant is down, slow, full, locked or not Qdrant at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from citewell.embedded.parts import LOOPBACK, free_port
from shared.errors import CitewellError, Kind, VectorStoreUnavailable
from shared.vectors.base import IndexMissing, Point, SparseVector, VectorQuery
from shared.vectors.qdrant import QdrantVectorStore
from tests.support.qdrant import run_qdrant

INDEX = UUID(int=7)
POINT = Point(uuid4(), [1.0, 0.0], SparseVector((), ()), {"tenant_id": "t"})
QUERY = VectorQuery(tenant_id="t", depth=3, dense=[1.0, 0.0])
# In the order of the port; each must fail in the same way.
CALLS: dict[str, Callable[[QdrantVectorStore], Awaitable[object]]] = {
    "create_index": lambda store: store.create_index(INDEX, dimensions=2),
    "index_fields": lambda store: store.index_fields(INDEX, {"year": "number"}),
    "drop_index": lambda store: store.drop_index(INDEX),
    "upsert": lambda store: store.upsert(INDEX, [POINT]),
    "search": lambda store: store.search(INDEX, QUERY),
    "dense_vectors": lambda store: store.dense_vectors(INDEX, [POINT.id]),
    "delete_versions": lambda store: store.delete_versions(INDEX, [uuid4()]),
    "count": lambda store: store.count(INDEX),
    "count_versions": lambda store: store.count_versions(INDEX, [INDEX]),
    "versions": lambda store: store.versions(INDEX, tenant_id="t", limit=3),
    "ping": lambda store: store.ping(),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[QdrantVectorStore]:
    """Yield a store whose server gives every request one answer, or none at all."""

    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()  # until the client gives up
        writer.write(answer or b"")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    store = QdrantVectorStore(f"http://{LOOPBACK}:{port}", timeout_s=0.3 if answer is None else 5)
    yield store
    await store.aclose()
    server.close()
    await asyncio.gather(*served)


def response(status: str, body: str, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", body]).encode()


@every_call
async def test_nobody_listens(call: Callable[[QdrantVectorStore], Awaitable[object]]) -> None:
    store = QdrantVectorStore(f"http://{LOOPBACK}:{free_port()}")
    with pytest.raises(VectorStoreUnavailable, match="does not answer"):
        await call(store)
    await store.aclose()


@every_call
async def test_no_answer_comes_in_time(
    call: Callable[[QdrantVectorStore], Awaitable[object]],
) -> None:
    start = asyncio.get_running_loop().time()
    async with answering(None) as store:
        with pytest.raises(VectorStoreUnavailable, match=r"did not answer within 0\.3 s"):
            await call(store)
        assert asyncio.get_running_loop().time() - start < 2


@every_call
@pytest.mark.parametrize(
    "answer",
    [
        response("500 Internal Server Error", '{"status": {"error": "disk full"}}'),
        response("503 Service Unavailable", "<html>"),
        response("401 Unauthorized", "Must provide an API key"),
        response("403 Forbidden", '{"status": "no"}'),
        response("429 Too Many Requests", "{}"),
        response("200 OK", "this is not Qdrant"),
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ],
    ids=["500", "503", "401", "403", "429", "no json", "no http", "nothing"],
)
async def test_what_comes_is_no_answer(
    call: Callable[[QdrantVectorStore], Awaitable[object]], answer: bytes
) -> None:
    async with answering(answer) as store:
        with pytest.raises(VectorStoreUnavailable) as failed:
            await call(store)
    assert failed.value.kind is Kind.UNAVAILABLE
    assert failed.value.retryable
    assert failed.value.__cause__ is not None


async def test_an_overloaded_server_says_when_to_come_again() -> None:
    body = '{"status": {"error": "slow down"}}'
    async with answering(response("429 Too Many Requests", body, "Retry-After: 7")) as store:
        with pytest.raises(VectorStoreUnavailable) as failed:
            await store.search(INDEX, QUERY)
    assert failed.value.retry_after_s == 7


async def test_a_refused_request_is_our_mistake() -> None:
    body = '{"status": {"error": "Wrong input: no"}}'
    async with answering(response("400 Bad Request", body)) as store:
        with pytest.raises(CitewellError, match="Qdrant answered 400: Wrong input: no") as failed:
            await store.search(INDEX, QUERY)
    assert failed.value.kind is Kind.INTERNAL


async def test_an_unknown_collection_is_a_missing_index_or_nothing() -> None:
    async with answering(response("404 Not Found", "{}")) as store:
        for call in (store.search(INDEX, QUERY), store.upsert(INDEX, [POINT])):
            with pytest.raises(IndexMissing):
                await call
        assert await store.count(INDEX) == 0
        assert await store.dense_vectors(INDEX, [uuid4()]) == {}
        await store.delete_versions(INDEX, [uuid4()])
        await store.drop_index(INDEX)


async def test_the_key_is_sent(tmp_path: Path) -> None:
    with run_qdrant(tmp_path, api_key="secret") as server:
        friend = QdrantVectorStore(server.url, api_key="secret")
        await friend.ping()
        await friend.aclose()
        stranger = QdrantVectorStore(server.url, api_key="wrong")
        with pytest.raises(VectorStoreUnavailable, match="401"):
            await stranger.ping()
        await stranger.aclose()


async def test_a_store_goes_on_when_the_server_is_back(tmp_path: Path) -> None:
    with run_qdrant(tmp_path) as server:
        store = QdrantVectorStore(server.url)
        await store.create_index(INDEX, dimensions=2)
        port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(VectorStoreUnavailable):
        await store.ping()
    with run_qdrant(tmp_path, port=port):
        assert await store.count(INDEX) == 0
        await store.ping()
    await store.aclose()
