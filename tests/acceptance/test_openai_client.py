"""The official OpenAI client, sync and async, walks every method against the running stack."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import FileObject, VectorStore, VectorStoreSearchResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch

from citewell.samples import DOCUMENTS
from tests.support.stack import start_stack

SAMPLES = Path(__file__).parents[1] / "support" / "samples"
MANUAL = DOCUMENTS / "manuals" / "lumenar-40-manual.pdf"
LEAVE = DOCUMENTS / "policies" / "leave-and-absence.docx"
TRAVEL = SAMPLES / "travel-and-expenses.md"
NOTE = ("note.txt", b"The Lumenar archive is kept in room 17 of the old harbour office.\n")
QUESTION = "How many weeks of leave may a parent take at full pay?"
UNKNOWN = f"file-{'0' * 32}"
PATIENCE_S = 120


@dataclass(frozen=True)
class Place:
    """A running stack: all that a client needs."""

    base_url: str
    api_key: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with start_stack(tmp_path_factory.mktemp("openai")) as stack:
        yield Place(f"{stack.ready['url']}/openai/v1", stack.ready["api_key"])


@pytest.fixture
def client(place: Place) -> Iterator[OpenAI]:
    with OpenAI(base_url=place.base_url, api_key=place.api_key) as client:
        yield client


def check_kept(made: FileObject, path: Path, content: bytes) -> None:
    assert (made.filename, made.bytes) == (path.name, path.stat().st_size)
    assert content == path.read_bytes()


def check_read(read: VectorStoreFile) -> None:
    assert (read.status, read.last_error) == ("completed", None)


def check_batch(batch: VectorStoreFileBatch, files: int) -> None:
    assert (batch.status, batch.file_counts.completed) == ("completed", files)
    assert (batch.file_counts.total, batch.file_counts.failed) == (files, 0)


def check_store(store: VectorStore, files: int) -> None:
    assert (store.status, store.name, store.metadata) == ("completed", "Handbook", {"team": "hr"})
    assert (store.file_counts.completed, store.file_counts.total) == (files, files)
    assert store.usage_bytes > 10_000


def check_found(found: list[VectorStoreSearchResponse]) -> None:
    best = found[0]
    assert best.filename == LEAVE.name
    assert best.attributes == {"kind": "policy", "year": 2030}
    assert "32 weeks of leave" in best.content[0].text.lower()


def check_answer(completion: ChatCompletion) -> None:
    message = completion.choices[0].message
    assert message.content
    assert message.annotations
    for annotation in message.annotations:
        cited = annotation.url_citation
        marker = message.content[cited.start_index : cited.end_index]
        assert marker.startswith(f"[Source: {cited.title}, page ")
        told = annotation.model_dump()["file_citation"]
        assert told["file_id"].startswith("file-")
        assert told["quote"]
    assert message.annotations[0].url_citation.title == LEAVE.name


def check_stream(chunks: list[ChatCompletionChunk], whole: ChatCompletion) -> None:
    texts = [one.choices[0].delta.content or "" for one in chunks if one.choices]
    assert "".join(texts) == whole.choices[0].message.content
    last = next(one for one in reversed(chunks) if one.choices)
    assert last.choices[0].finish_reason == "stop"
    assert last.choices[0].delta.model_dump()["annotations"]
    assert chunks[-1].usage is not None


def test_the_sync_client_walks_every_method(client: OpenAI) -> None:
    made = client.files.create(file=LEAVE, purpose="assistants")
    check_kept(made, LEAVE, client.files.content(made.id).read())
    assert client.files.retrieve(made.id) == made
    assert made.id in [file.id for file in client.files.list(limit=1, purpose="assistants")]
    store = client.vector_stores.create(name="Staff", metadata={"team": "none"})
    assert store.id in [one.id for one in client.vector_stores.list(limit=1)]
    store = client.vector_stores.update(store.id, name="Handbook", metadata={"team": "hr"})
    uploaded = put_files_in(client, store, made)
    put_batches_in(client, store)
    check_store(client.vector_stores.retrieve(store.id), 5)
    search(client, store)
    chat(client, store)
    take_away(client, store, (made, uploaded))


def put_files_in(client: OpenAI, store: VectorStore, made: FileObject) -> VectorStoreFile:
    files = client.vector_stores.files
    read = files.create_and_poll(
        made.id,
        vector_store_id=store.id,
        attributes={"kind": "policy", "year": 2030},
        max_wait_seconds=PATIENCE_S,
    )
    check_read(read)
    assert read.attributes == {"kind": "policy", "year": 2030}
    check_read(files.upload_and_poll(vector_store_id=store.id, file=MANUAL))
    uploaded = files.upload(vector_store_id=store.id, file=NOTE)
    check_read(files.poll(uploaded.id, vector_store_id=store.id, max_wait_seconds=PATIENCE_S))
    text = [piece.text for piece in files.content(uploaded.id, vector_store_id=store.id)]
    assert text == [NOTE[1].decode().strip()]
    changed = files.update(uploaded.id, vector_store_id=store.id, attributes={"kind": "note"})
    assert changed.attributes == {"kind": "note"}
    check_read(files.poll(uploaded.id, vector_store_id=store.id, max_wait_seconds=PATIENCE_S))
    return uploaded


def put_batches_in(client: OpenAI, store: VectorStore) -> None:
    batches = client.vector_stores.file_batches
    batch = batches.upload_and_poll(store.id, files=[TRAVEL, ("more.txt", b"More of it.")])
    check_batch(batch, 2)
    assert batches.retrieve(batch.id, vector_store_id=store.id).id == batch.id
    listed = batches.list_files(batch.id, vector_store_id=store.id, filter="completed")
    again = batches.create_and_poll(store.id, file_ids=[file.id for file in listed])
    check_batch(again, 2)
    assert batches.cancel(again.id, vector_store_id=store.id).file_counts.cancelled == 0


def search(client: OpenAI, store: VectorStore) -> None:
    check_found(client.vector_stores.search(store.id, query=QUESTION).data)
    notes = client.vector_stores.search(
        store.id,
        query=["Where is the archive?", QUESTION],
        filters={"type": "eq", "key": "kind", "value": "note"},
        max_num_results=3,
        ranking_options={"ranker": "auto", "score_threshold": 0.0},
        rewrite_query=False,
    )
    assert [one.filename for one in notes] == ["note.txt"]


def chat(client: OpenAI, store: VectorStore) -> None:
    assert [model.id for model in client.models.list()] == ["citewell", "extractive"]
    assert client.models.retrieve("extractive").id == "extractive"
    whole = client.chat.completions.create(
        model="citewell",
        messages=[{"role": "user", "content": QUESTION}],
        extra_body={"vector_store_ids": [store.id]},
    )
    check_answer(whole)
    stream = client.chat.completions.create(
        model="extractive",
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"vector_store_ids": [store.id]},
    )
    check_stream(list(stream), whole)


def take_away(client: OpenAI, store: VectorStore, of: tuple[FileObject, VectorStoreFile]) -> None:
    files, (made, uploaded) = client.vector_stores.files, of
    assert files.delete(uploaded.id, vector_store_id=store.id).deleted
    assert uploaded.id not in [file.id for file in files.list(store.id)]
    with pytest.raises(openai.NotFoundError):
        files.retrieve(uploaded.id, vector_store_id=store.id)
    assert client.files.delete(made.id).deleted
    assert LEAVE.name not in [
        one.filename for one in client.vector_stores.search(store.id, query=QUESTION)
    ]
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search(store.id, query=QUESTION)
    assert client.files.retrieve(uploaded.id).id == uploaded.id


async def test_the_async_client_walks_every_method(place: Place) -> None:
    async with AsyncOpenAI(base_url=place.base_url, api_key=place.api_key) as client:
        made = await client.files.create(file=LEAVE, purpose="user_data")
        check_kept(made, LEAVE, (await client.files.content(made.id)).content)
        assert await client.files.retrieve(made.id) == made
        assert (await client.files.wait_for_processing(made.id)).status == "processed"
        kept = [file.id async for file in client.files.list(order="asc", purpose="user_data")]
        assert made.id in kept
        early = await client.vector_stores.create(file_ids=[made.id])
        check_read(await client.vector_stores.files.poll(made.id, vector_store_id=early.id))
        store = await client.vector_stores.create(name="Handbook")
        assert store.id in [one.id async for one in client.vector_stores.list(limit=1)]
        store = await client.vector_stores.update(store.id, metadata={"team": "hr"})
        uploaded = await put_files_in_async(client, store, made)
        await put_batches_in_async(client, store)
        check_store(await client.vector_stores.retrieve(store.id), 5)
        check_found((await client.vector_stores.search(store.id, query=QUESTION)).data)
        await chat_async(client, store)
        # A deleted file goes out of both stores.
        assert (await client.files.delete(made.id)).deleted
        files = client.vector_stores.files
        for one in (early, store):
            assert made.id not in [file.id async for file in files.list(one.id)]
        assert (await files.delete(uploaded.id, vector_store_id=store.id)).deleted
        assert (await client.vector_stores.delete(store.id)).deleted


async def put_files_in_async(
    client: AsyncOpenAI, store: VectorStore, made: FileObject
) -> VectorStoreFile:
    files = client.vector_stores.files
    read = await files.create_and_poll(
        made.id, vector_store_id=store.id, attributes={"kind": "policy", "year": 2030}
    )
    check_read(read)
    check_read(await files.upload_and_poll(vector_store_id=store.id, file=MANUAL))
    uploaded = await files.upload(vector_store_id=store.id, file=NOTE)
    check_read(await files.poll(uploaded.id, vector_store_id=store.id))
    content = await files.content(uploaded.id, vector_store_id=store.id)
    assert [piece.text async for piece in content] == [NOTE[1].decode().strip()]
    await files.update(uploaded.id, vector_store_id=store.id, attributes={"kind": "note"})
    check_read(await files.poll(uploaded.id, vector_store_id=store.id))
    return uploaded


async def put_batches_in_async(client: AsyncOpenAI, store: VectorStore) -> None:
    batches = client.vector_stores.file_batches
    batch = await batches.upload_and_poll(store.id, files=[TRAVEL, ("more.txt", b"More of it.")])
    check_batch(batch, 2)
    listed = batches.list_files(batch.id, vector_store_id=store.id)
    ids = [file.id async for file in listed]
    check_batch(await batches.create_and_poll(store.id, file_ids=ids), 2)
    check_batch(await batches.poll(batch.id, vector_store_id=store.id), 2)
    assert (await batches.retrieve(batch.id, vector_store_id=store.id)).id == batch.id
    ended = await batches.cancel(batch.id, vector_store_id=store.id)
    assert ended.file_counts.cancelled == 0


async def chat_async(client: AsyncOpenAI, store: VectorStore) -> None:
    assert [model.id async for model in client.models.list()] == ["citewell", "extractive"]
    assert (await client.models.retrieve("citewell")).id == "citewell"
    whole = await client.chat.completions.create(
        model="citewell",
        messages=[{"role": "user", "content": QUESTION}],
        extra_body={"vector_store_ids": [store.id]},
    )
    check_answer(whole)
    stream = await client.chat.completions.create(
        model="citewell",
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"vector_store_ids": [store.id]},
    )
    check_stream([chunk async for chunk in stream], whole)


def test_a_wrong_key_an_unknown_id_and_a_bad_filter_raise_the_clients_own(
    place: Place, client: OpenAI
) -> None:
    wrong = OpenAI(base_url=place.base_url, api_key="sk-wrong", max_retries=0)
    for ask in (wrong.files.list, wrong.models.list, wrong.vector_stores.create):
        with pytest.raises(openai.AuthenticationError) as refused:
            ask()
        assert refused.value.code == "unauthenticated"
    store = client.vector_stores.create()
    for unknown in (
        lambda: client.files.retrieve(UNKNOWN),
        lambda: client.vector_stores.retrieve("vs_nothing"),
        lambda: client.vector_stores.files.create(store.id, file_id=UNKNOWN),
        lambda: client.vector_stores.search("vs_nothing", query="x"),
        lambda: client.models.retrieve("gpt-0"),
        lambda: client.embeddings.create(model="x", input="x"),
    ):
        with pytest.raises(openai.NotFoundError) as missing:
            unknown()
        assert missing.value.code == "not_found"
        assert missing.value.request_id
    with pytest.raises(openai.BadRequestError) as bad:
        client.vector_stores.search(
            store.id, query="x", filters={"type": "gt", "key": "filename", "value": "x"}
        )
    assert (bad.value.param, bad.value.code) == ("filters", "invalid_request")
    with pytest.raises(openai.BadRequestError):
        client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    client.vector_stores.delete(store.id)
    wrong.close()
