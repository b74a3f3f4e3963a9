"""Files and vector stores as OpenAI's official client sees them, at their edges."""

import asyncio
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import FileObject, VectorStore
from sqlalchemy import text

from services.ingest_worker.upkeep.deletion import bury
from services.ingest_worker.upkeep.doctor import Patient, examine
from shared.database.engine import Database
from tests.integration.test_ingest_api_cut import part, request, served, until
from tests.support.ingest_api import IngestApi, api_settings, start_api, token, upload
from tests.support.openai_client import openai_client
from tests.support.workers import Workers

LEFT = "SELECT filename FROM jobs WHERE state IN ('queued', 'parsing', 'embedding')"
Work = Callable[[], Awaitable[None]]
HERONS = b"# Herons\n\nHerons nest in tall trees near water.\n"


@pytest.fixture
def client(api: IngestApi) -> AsyncOpenAI:
    return openai_client(api.app, token("acme"))


@pytest.fixture
def work(workers: Workers, database: Database) -> Work:
    """What does the workers' work until none is left; slow files come in several rounds."""

    async def work() -> None:
        for _ in range(20):
            await workers.work(*await rows(database, "SELECT id FROM jobs WHERE stage = 'chunk'"))
            if not await rows(database, LEFT):
                return
        raise AssertionError(await rows(database, LEFT))

    return work


@pytest.fixture
async def store(client: AsyncOpenAI) -> VectorStore:
    return await client.vector_stores.create(name="Birds")


async def kept(client: AsyncOpenAI, name: str = "herons.md", content: bytes = HERONS) -> FileObject:
    return await client.files.create(file=(name, content), purpose="assistants")


async def rows(database: Database, statement: str) -> list[Any]:
    async with database.worker() as connection:
        return list((await connection.execute(text(statement))).scalars())


async def buried(api: IngestApi, database: Database) -> None:
    """Remove for good what was deleted, as if the time of grace were over."""
    async with database.worker() as connection:
        await connection.execute(text("UPDATE tombstones SET until = now() - interval '1 s'"))
        await connection.execute(
            text(
                "UPDATE collections SET deleted_at = now() - interval '1 h'"
                " WHERE deleted_at IS NOT NULL"
            )
        )
    for _ in range(2):
        await bury(database, api.vectors, api.context.blobs, grace_s=api.context.grace_s)


class TestFiles:
    async def test_a_file_is_kept_as_it_came(self, client: AsyncOpenAI) -> None:
        made = await kept(client, "birds/herons.md")
        assert (made.filename, made.bytes, made.purpose) == (
            "birds/herons.md",
            len(HERONS),
            "assistants",
        )
        assert await client.files.retrieve(made.id) == made
        assert (await client.files.content(made.id)).content == HERONS
        assert (await client.files.wait_for_processing(made.id)).status == "processed"

    async def test_a_large_file_is_streamed_to_the_store(
        self, api: IngestApi, client: AsyncOpenAI
    ) -> None:
        content = bytes(range(256)) * 8192
        made = await kept(client, "large.bin", content)
        assert (await client.files.content(made.id)).content == content
        assert [path.stat().st_size for path in api.blobs()] == [len(content)]

    async def test_lists_go_page_by_page_in_both_orders(self, client: AsyncOpenAI) -> None:
        made = [(await kept(client, f"{number}.txt")).id for number in range(5)]
        newest_first = [file.id async for file in client.files.list(limit=2)]
        assert newest_first == made[::-1]
        oldest_first = [file.id async for file in client.files.list(limit=2, order="asc")]
        assert oldest_first == made
        after = await client.files.list(after=made[3], order="asc")
        assert [file.id for file in after.data] == made[4:]
        assert after.has_more is False
        assert [file.id async for file in client.files.list(purpose="user_data")] == []

    @pytest.mark.parametrize("purpose", ["batch", "nonsense"])
    async def test_a_purpose_that_is_not_known_keeps_nothing(
        self, api: IngestApi, client: AsyncOpenAI, purpose: Any
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.files.create(file=("a.txt", b"a"), purpose=purpose)
        assert caught.value.param == "purpose"
        assert api.blobs() == []

    async def test_expiry_is_refused_and_not_forgotten(self, client: AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="expires_after"):
            await client.files.create(
                file=("a.txt", b"a"),
                purpose="assistants",
                expires_after={"anchor": "created_at", "seconds": 3600},
            )

    async def test_an_empty_file_is_refused(self, api: IngestApi, client: AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await kept(client, "a.txt", b"")
        assert caught.value.code == "file_empty"
        assert await client.files.list() is not None
        assert api.blobs() == []

    async def test_two_files_in_one_request_keep_nothing(self, api: IngestApi) -> None:
        sent = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
        response = await api.client.post(
            "/openai/v1/files", files=sent, data={"purpose": "assistants"}
        )
        assert response.status_code == 400
        assert api.blobs() == []

    async def test_the_same_bytes_are_kept_once_and_go_with_the_last_file(
        self, api: IngestApi, client: AsyncOpenAI
    ) -> None:
        first, second = await kept(client, "a.md"), await kept(client, "b.md")
        assert len(api.blobs()) == 1
        await client.files.delete(first.id)
        assert (await client.files.content(second.id)).content == HERONS
        assert (await client.files.delete(second.id)).deleted
        assert api.blobs() == []
        with pytest.raises(openai.NotFoundError):
            await client.files.content(second.id)
        with pytest.raises(openai.NotFoundError):
            await client.files.delete(second.id)

    async def test_a_request_with_a_key_keeps_one_file(self, client: AsyncOpenAI) -> None:
        key = {"Idempotency-Key": "once"}
        made = [
            await client.files.create(
                file=("a.md", HERONS), purpose="assistants", extra_headers=key
            )
            for _ in range(2)
        ]
        assert made[0] == made[1]
        assert [file.id async for file in client.files.list()] == [made[0].id]
        with pytest.raises(openai.ConflictError):
            await client.files.create(
                file=("a.md", b"other"), purpose="assistants", extra_headers=key
            )

    async def test_a_file_stays_while_documents_of_its_bytes_go(
        self, api: IngestApi, client: AsyncOpenAI, database: Database
    ) -> None:
        made = await kept(client)
        job = (await upload(api.client, ("other.md", HERONS)))["jobs"][0]
        await api.client.delete(f"/v1/documents/{job['document_id']}")
        await buried(api, database)
        assert await rows(database, "SELECT name FROM documents") == []
        assert (await client.files.content(made.id)).content == HERONS

    async def test_the_doctor_tells_of_a_file_whose_bytes_are_lost(
        self, api: IngestApi, client: AsyncOpenAI, database: Database, store: VectorStore
    ) -> None:
        made = await kept(client)
        patient = Patient(database, api.vectors, api.context.blobs, "acme", fix=False)
        before = {one.kind: one.count for one in (await examine(patient, budget_s=5)).differences}
        assert before["bytes_missing"] == 0
        api.blobs()[0].unlink()
        found = {one.kind: one for one in (await examine(patient, budget_s=5)).differences}
        assert found["bytes_missing"].examples[0].detail == "herons.md, a file"
        with pytest.raises(openai.NotFoundError, match="bytes"):
            await client.vector_stores.files.create(store.id, file_id=made.id)
        assert [file.id async for file in client.vector_stores.files.list(store.id)] == []
        await kept(client)
        assert (await client.files.content(made.id)).content == HERONS


class TestStores:
    async def test_a_store_is_a_collection_of_its_id(
        self, api: IngestApi, client: AsyncOpenAI
    ) -> None:
        made = await client.vector_stores.create(
            name="Birds", description="All of them.", metadata={"team": "field"}
        )
        assert (made.name, made.metadata, made.status) == ("Birds", {"team": "field"}, "completed")
        assert (made.file_counts.total, made.usage_bytes) == (0, 0)
        assert await client.vector_stores.retrieve(made.id) == made
        shown = (await api.client.get(f"/v1/collections/{made.id}")).json()
        assert (shown["name"], shown["description"]) == (made.id, "All of them.")
        changed = await client.vector_stores.update(made.id, name="Herons", metadata={"a": "b"})
        assert (changed.name, changed.metadata) == ("Herons", {"a": "b"})
        assert (await client.vector_stores.update(made.id)).name == "Herons"
        assert (await client.vector_stores.delete(made.id)).deleted
        for call in (client.vector_stores.retrieve, client.vector_stores.delete):
            with pytest.raises(openai.NotFoundError):
                await call(made.id)
        assert (await api.client.get(f"/v1/collections/{made.id}")).status_code == 404

    async def test_lists_go_page_by_page_both_ways(self, client: AsyncOpenAI) -> None:
        made = [(await client.vector_stores.create(name=str(number))).id for number in range(5)]
        assert [one.id async for one in client.vector_stores.list(limit=2)] == made[::-1]
        before = await client.vector_stores.list(before=made[3], order="asc", limit=2)
        assert [one.id for one in before.data] == made[1:3]
        assert before.has_more is True
        between = await client.vector_stores.list(after=made[4], before=made[1])
        assert [one.id for one in between.data] == [made[3], made[2]]

    async def test_a_collection_of_another_kind_is_no_store(
        self, api: IngestApi, client: AsyncOpenAI
    ) -> None:
        await api.client.put("/v1/collections/papers", json={})
        assert [one async for one in client.vector_stores.list()] == []
        taken = await api.client.put(f"/v1/collections/vs_{'0' * 32}", json={})
        assert taken.status_code == 422

    @pytest.mark.parametrize(
        "wish",
        [
            {"expires_after": {"anchor": "last_active_at", "days": 1}},
            {
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
                }
            },
            {"metadata": {"a": "x" * 513}},
            {"metadata": {str(number): "x" for number in range(17)}},
        ],
        ids=["expires_after", "chunking_strategy", "metadata", "metadata_count"],
    )
    async def test_what_is_not_done_here_is_refused(
        self, client: AsyncOpenAI, wish: dict[str, Any]
    ) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.vector_stores.create(**wish)
        assert str(caught.value.param).startswith(next(iter(wish)))
        assert [one async for one in client.vector_stores.list()] == []

    async def test_a_store_of_a_file_that_is_not_there_is_not_made(
        self, client: AsyncOpenAI
    ) -> None:
        made = await kept(client)
        with pytest.raises(openai.NotFoundError):
            await client.vector_stores.create(file_ids=[made.id, f"file-{'0' * 32}"])
        assert [one async for one in client.vector_stores.list()] == []


class TestStoreFiles:
    async def test_a_file_is_read_by_a_job_like_an_upload(
        self, client: AsyncOpenAI, store: VectorStore, work: Work, api: IngestApi
    ) -> None:
        made = await kept(client)
        attached = await client.vector_stores.files.create(
            store.id, file_id=made.id, attributes={"kind": "bird", "year": 2030, "wild": True}
        )
        assert (attached.id, attached.status) == (made.id, "in_progress")
        assert attached.attributes == {"kind": "bird", "year": 2030, "wild": True}
        raw = await client.vector_stores.files.with_raw_response.retrieve(
            made.id, vector_store_id=store.id
        )
        assert int(raw.headers["openai-poll-after-ms"]) > 0
        assert (await client.vector_stores.retrieve(store.id)).status == "in_progress"
        await work()
        read = await client.vector_stores.files.poll(made.id, vector_store_id=store.id)
        assert (read.status, read.last_error, read.usage_bytes) == ("completed", None, len(HERONS))
        counted = await client.vector_stores.retrieve(store.id)
        assert (counted.status, counted.usage_bytes) == ("completed", len(HERONS))
        assert counted.file_counts.completed == counted.file_counts.total == 1
        content = await client.vector_stores.files.content(made.id, vector_store_id=store.id)
        assert [piece.text async for piece in content] == [
            "Herons\n\nHerons nest in tall trees near water."
        ]
        documents = await api.client.get(f"/v1/documents?collection={store.id}")
        assert [one["name"] for one in documents.json()["items"]] == ["herons.md"]
        assert len(api.blobs()) == 1

    async def test_text_is_told_of_only_once_it_is_read(
        self, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = await kept(client)
        await client.vector_stores.files.create(store.id, file_id=made.id)
        with pytest.raises(openai.ConflictError, match="queued"):
            await client.vector_stores.files.content(made.id, vector_store_id=store.id)

    async def test_a_file_sent_again_is_no_work(
        self, client: AsyncOpenAI, store: VectorStore, work: Work, database: Database
    ) -> None:
        made = await kept(client)
        for _ in range(3):
            await client.vector_stores.files.create(store.id, file_id=made.id)
        assert await rows(database, "SELECT number FROM versions") == [1]
        await work()
        batch = await client.vector_stores.file_batches.create(store.id, file_ids=[made.id] * 2)
        assert (batch.file_counts.total, batch.file_counts.completed) == (1, 1)
        again = await client.vector_stores.files.create(
            store.id, file_id=made.id, attributes={"kind": "bird"}
        )
        assert (again.status, again.attributes) == ("in_progress", {"kind": "bird"})
        assert await rows(database, "SELECT number FROM versions ORDER BY 1") == [1, 2]

    async def test_many_at_once_make_one_document_of_a_file(
        self, client: AsyncOpenAI, store: VectorStore, database: Database
    ) -> None:
        made = await kept(client)
        await asyncio.gather(
            *(client.vector_stores.files.create(store.id, file_id=made.id) for _ in range(6))
        )
        assert len(await rows(database, "SELECT id FROM documents")) == 1

    async def test_an_upload_of_the_same_name_is_another_document(
        self, api: IngestApi, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = await kept(client)
        await client.vector_stores.files.create(store.id, file_id=made.id)
        await upload(api.client, ("herons.md", b"Others."), collection=store.id)
        files = [file async for file in client.vector_stores.files.list(store.id)]
        assert len(files) == 2
        assert (await client.files.content(made.id)).content == HERONS

    async def test_a_file_in_two_stores_goes_out_of_both_when_it_is_deleted(
        self, api: IngestApi, client: AsyncOpenAI, work: Work, database: Database
    ) -> None:
        made = await kept(client)
        stores = [await client.vector_stores.create(file_ids=[made.id]) for _ in range(2)]
        await work()
        await client.files.delete(made.id)
        for store in stores:
            assert [file.id async for file in client.vector_stores.files.list(store.id)] == []
            assert (await client.vector_stores.retrieve(store.id)).file_counts.total == 0
            with pytest.raises(openai.NotFoundError):
                await client.vector_stores.files.retrieve(made.id, vector_store_id=store.id)
        assert await rows(database, "SELECT live_version FROM documents") == [None, None]
        await buried(api, database)
        assert await rows(database, "SELECT id FROM documents") == []
        assert api.blobs() == []

    async def test_a_file_taken_out_of_one_store_stays_in_the_other(
        self, api: IngestApi, client: AsyncOpenAI, work: Work, database: Database
    ) -> None:
        made = await kept(client)
        one, two = [await client.vector_stores.create(file_ids=[made.id]) for _ in range(2)]
        await work()
        gone = await client.vector_stores.files.delete(made.id, vector_store_id=one.id)
        assert gone.deleted
        await buried(api, database)
        left = await client.vector_stores.files.retrieve(made.id, vector_store_id=two.id)
        assert left.status == "completed"
        assert (await client.files.content(made.id)).content == HERONS
        # And it may come back.
        back = await client.vector_stores.files.create(one.id, file_id=made.id)
        assert back.status == "in_progress"

    async def test_a_store_deleted_while_its_file_is_read_leaves_the_file(
        self, api: IngestApi, client: AsyncOpenAI, work: Work, database: Database
    ) -> None:
        made = await kept(client)
        store = await client.vector_stores.create(file_ids=[made.id])
        await client.vector_stores.delete(store.id)
        await work()
        with pytest.raises(openai.NotFoundError):
            await client.vector_stores.files.create(store.id, file_id=made.id)
        await buried(api, database)
        await buried(api, database)
        assert await rows(database, "SELECT name FROM collections WHERE name LIKE 'vs%'") == []
        assert await rows(database, "SELECT title FROM stores") == []
        assert (await client.files.content(made.id)).content == HERONS

    async def test_a_file_deleted_while_it_is_attached_ends_one_way_or_the_other(
        self, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        for _ in range(8):
            made = await kept(client)
            attached, deleted = await asyncio.gather(
                client.vector_stores.files.create(store.id, file_id=made.id),
                client.files.delete(made.id),
                return_exceptions=True,
            )
            assert not isinstance(deleted, BaseException)
            assert not isinstance(attached, BaseException) or isinstance(
                attached, openai.NotFoundError
            )
            assert [file async for file in client.vector_stores.files.list(store.id)] == []

    async def test_a_file_that_cannot_be_read_says_why(
        self, client: AsyncOpenAI, store: VectorStore, work: Work
    ) -> None:
        bad = {"broken.pdf": b"%PDF-1.7 nothing", "what.xyz": bytes(range(256)) * 4}
        files = [await kept(client, name, content) for name, content in bad.items()]
        for file in files:
            await client.vector_stores.files.create(store.id, file_id=file.id)
        await work()
        shown = [
            await client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
            for file in files
        ]
        assert [one.status for one in shown] == ["failed", "failed"]
        errors = [one.last_error for one in shown]
        assert [error.code for error in errors if error] == ["invalid_file", "unsupported_file"]
        counted = (await client.vector_stores.retrieve(store.id)).file_counts
        assert (counted.failed, counted.total) == (2, 2)
        failed = client.vector_stores.files.list(store.id, filter="failed")
        assert {one.id async for one in failed} == {file.id for file in files}
        done = client.vector_stores.files.list(store.id, filter="completed")
        assert [one async for one in done] == []
        # Once more is a new try.
        again = await client.vector_stores.files.create(store.id, file_id=files[0].id)
        assert again.status == "in_progress"

    async def test_a_store_holds_the_bytes_of_the_newest_versions(
        self, api: IngestApi, client: AsyncOpenAI, store: VectorStore, work: Work
    ) -> None:
        async def held() -> int:
            return (await client.vector_stores.retrieve(store.id)).usage_bytes

        broken = b"%PDF-1.7 nothing"
        [first] = (await upload(api.client, ("a.pdf", broken), collection=store.id))["jobs"]
        assert await held() == len(broken)
        await work()
        await upload(api.client, ("a.pdf", HERONS), collection=store.id)
        assert await held() == len(HERONS)
        await work()
        # With other options it begins anew, as the newest version.
        again = {"options": {"ocr": False}}
        await api.client.post(f"/v1/jobs/{first['job_id']}/retry", json=again)
        assert await held() == len(broken)
        await work()
        # It failed again, so that other attributes make a copy of the live version.
        document = f"/v1/documents/{first['document_id']}"
        await api.client.patch(document, json={"attributes": {"year": 1901}})
        assert await held() == len(HERONS)
        await api.client.post(f"{document}/versions/1/restore")
        assert await held() == len(broken)

    async def test_attributes_take_the_place_of_those_before(
        self, client: AsyncOpenAI, store: VectorStore, work: Work
    ) -> None:
        made = await kept(client)
        await client.vector_stores.files.create(
            store.id, file_id=made.id, attributes={"a": 1, "b": "x"}
        )
        await work()
        changed = await client.vector_stores.files.update(
            made.id, vector_store_id=store.id, attributes={"a": 2}
        )
        assert changed.attributes == {"a": 2}
        # What was read is cut anew; nothing is read again.
        await work()
        shown = await client.vector_stores.files.retrieve(made.id, vector_store_id=store.id)
        assert (shown.status, shown.attributes) == ("completed", {"a": 2})
        wrongs: list[dict[str, str | float | bool]] = [{"filename": "x"}, {"a": "text"}]
        for wrong in wrongs:
            with pytest.raises(openai.BadRequestError, match="attributes"):
                await client.vector_stores.files.update(
                    made.id, vector_store_id=store.id, attributes=wrong
                )

    async def test_lists_of_a_store_go_page_by_page(
        self, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = [(await kept(client, f"{number}.txt")).id for number in range(5)]
        for one in made:
            await client.vector_stores.files.create(store.id, file_id=one)
        assert [one.id async for one in client.vector_stores.files.list(store.id, limit=2)] == made[
            ::-1
        ]
        before = await client.vector_stores.files.list(
            store.id, before=made[3], order="asc", limit=2
        )
        assert [one.id for one in before.data] == made[1:3]
        # A list goes on where it was, also when that has gone meanwhile.
        await client.vector_stores.files.delete(made[2], vector_store_id=store.id)
        rest = await client.vector_stores.files.list(store.id, after=made[2], order="asc")
        assert [one.id for one in rest.data] == made[3:]
        with pytest.raises(openai.BadRequestError, match="after"):
            await client.vector_stores.files.list(store.id, after=f"file-{'0' * 32}")

    async def test_members_of_an_archive_are_files_of_the_store(
        self, client: AsyncOpenAI, store: VectorStore, work: Work, tmp_path: Path
    ) -> None:
        archive = tmp_path / "birds.zip"
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("herons.md", HERONS)
            made.writestr("storks.md", b"# Storks\n\nStorks nest on roofs.\n")
        batch = await client.vector_stores.file_batches.create(
            store.id, file_ids=[(await kept(client, "birds.zip", archive.read_bytes())).id]
        )
        await work()
        counted = await client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
        assert (counted.file_counts.completed, counted.status) == (3, "completed")
        files = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)
        members = [file async for file in files][:2]
        for member in members:
            content = await client.vector_stores.files.content(member.id, vector_store_id=store.id)
            assert "nest" in content.data[0].text  # type: ignore[operator]
            with pytest.raises(openai.NotFoundError):
                await client.files.retrieve(member.id)
        await client.vector_stores.files.delete(members[0].id, vector_store_id=store.id)
        assert (await client.vector_stores.retrieve(store.id)).file_counts.total == 2


class TestBatches:
    async def test_each_file_may_have_attributes_of_its_own(
        self, client: AsyncOpenAI, store: VectorStore, work: Work
    ) -> None:
        one, two = await kept(client, "1.txt", b"One."), await kept(client, "2.txt", b"Two.")
        batch = await client.vector_stores.file_batches.create(
            store.id,
            files=[{"file_id": one.id, "attributes": {"n": 1}}, {"file_id": two.id}],
        )
        assert (batch.status, batch.file_counts.in_progress) == ("in_progress", 2)
        await work()
        listed = client.vector_stores.file_batches.list_files(
            batch.id, vector_store_id=store.id, order="asc", filter="completed"
        )
        assert [file.attributes async for file in listed] == [{"n": 1}, {}]

    async def test_a_batch_is_cancelled_and_may_be_again(
        self, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = await kept(client)
        batch = await client.vector_stores.file_batches.create(store.id, file_ids=[made.id])
        for _ in range(2):
            ended = await client.vector_stores.file_batches.cancel(
                batch.id, vector_store_id=store.id
            )
            assert (ended.status, ended.file_counts.cancelled) == ("cancelled", 1)
        shown = await client.vector_stores.files.retrieve(made.id, vector_store_id=store.id)
        assert shown.status == "cancelled"
        counted = (await client.vector_stores.retrieve(store.id)).file_counts
        assert (counted.cancelled, counted.total) == (1, 1)

    @pytest.mark.parametrize(
        "wish", [{}, {"file_ids": []}, {"file_ids": ["x"], "files": [{"file_id": "x"}]}]
    )
    async def test_a_batch_names_files_in_one_way(
        self, client: AsyncOpenAI, store: VectorStore, wish: dict[str, Any]
    ) -> None:
        with pytest.raises(openai.BadRequestError, match="file_ids"):
            await client.vector_stores.file_batches.create(store.id, **wish)

    async def test_a_batch_of_another_store_is_not_found(
        self, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = await kept(client)
        batch = await client.vector_stores.file_batches.create(store.id, file_ids=[made.id])
        other = await client.vector_stores.create()
        with pytest.raises(openai.NotFoundError):
            await client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=other.id)

    async def test_one_unknown_file_refuses_all(
        self, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = await kept(client)
        with pytest.raises(openai.NotFoundError):
            await client.vector_stores.file_batches.create(
                store.id, file_ids=[made.id, f"file-{'1' * 32}"]
            )
        assert [file async for file in client.vector_stores.files.list(store.id)] == []


async def test_a_full_queue_refuses_work(database_url: str, tmp_path: Path) -> None:
    settings = api_settings(database_url, tmp_path, max_open_jobs_per_tenant=1)
    async with start_api(settings, tmp_path) as api:
        client = openai_client(api.app, token("acme"))
        one, two = await kept(client), await kept(client)
        store = await client.vector_stores.create(file_ids=[one.id])
        with pytest.raises(openai.RateLimitError) as caught:
            await client.vector_stores.files.create(store.id, file_id=two.id)
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert caught.value.response.headers["x-should-retry"] == "true"


class TestErrors:
    async def test_two_tenants_never_see_each_others(
        self, api: IngestApi, client: AsyncOpenAI, store: VectorStore
    ) -> None:
        made = await kept(client)
        await client.vector_stores.files.create(store.id, file_id=made.id)
        batch = await client.vector_stores.file_batches.create(store.id, file_ids=[made.id])
        rival = openai_client(api.app, token("rival"))
        own = await rival.vector_stores.create()
        assert [one async for one in rival.files.list()] == []
        assert [one.id async for one in rival.vector_stores.list()] == [own.id]
        calls: list[Any] = [
            rival.files.retrieve(made.id),
            rival.files.content(made.id),
            rival.files.delete(made.id),
            rival.vector_stores.retrieve(store.id),
            rival.vector_stores.update(store.id, name="mine"),
            rival.vector_stores.delete(store.id),
            rival.vector_stores.files.create(own.id, file_id=made.id),
            rival.vector_stores.files.create(store.id, file_id=made.id),
            rival.vector_stores.files.list(store.id),
            rival.vector_stores.files.retrieve(made.id, vector_store_id=store.id),
            rival.vector_stores.files.content(made.id, vector_store_id=store.id),
            rival.vector_stores.files.delete(made.id, vector_store_id=store.id),
            rival.vector_stores.file_batches.create(own.id, file_ids=[made.id]),
            rival.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id),
            rival.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id),
            rival.vector_stores.create(file_ids=[made.id]),
        ]
        for call in calls:
            with pytest.raises(openai.NotFoundError):
                await call
        assert (await client.files.retrieve(made.id)).id == made.id

    async def test_scopes_are_those_of_the_native_routes(
        self, api: IngestApi, store: VectorStore
    ) -> None:
        reader = openai_client(api.app, token("acme", "query"))
        assert (await reader.vector_stores.retrieve(store.id)).id == store.id
        with pytest.raises(openai.PermissionDeniedError):
            await reader.vector_stores.create()
        with pytest.raises(openai.PermissionDeniedError):
            await kept(reader)

    async def test_every_error_has_openais_form(self, api: IngestApi, client: AsyncOpenAI) -> None:
        wrong = openai_client(api.app, "sk-wrong")
        with pytest.raises(openai.AuthenticationError) as refused:
            await wrong.files.list()
        assert refused.value.response.headers["www-authenticate"] == "Bearer"
        for unknown in ("file-x", "file-" + "A" * 32, "vs_" + "0" * 32, "\\u0000", "0" * 200):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.files.retrieve(unknown)
            body = caught.value.response.json()
            assert set(body) == {"error"}
            assert set(body["error"]) == {"message", "type", "param", "code"}
            assert caught.value.code == "not_found"
            assert caught.value.request_id == caught.value.response.headers["x-request-id"]
        with pytest.raises(openai.NotFoundError):
            await client.get("/nothing", cast_to=object)
        with pytest.raises(openai.BadRequestError) as invalid:
            await client.vector_stores.create(extra_body={"colour": "blue"})
        assert invalid.value.param == "colour"
        assert invalid.value.type == "invalid_request_error"
        with pytest.raises(openai.APIStatusError) as large:
            await client.vector_stores.create(name="x" * 2_000_000)
        assert (large.value.status_code, large.value.code) == (413, "file_too_large")

    async def test_what_fails_inside_is_a_server_error_that_tells_nothing(
        self, api: IngestApi, client: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api.app.state, "context", None)
        with pytest.raises(openai.InternalServerError) as caught:
            await client.vector_stores.create()
        assert caught.value.type == "server_error"
        assert caught.value.response.headers["x-should-retry"] == "false"

    async def test_native_routes_keep_their_problems(self, api: IngestApi) -> None:
        response = await api.client.get("/v1/collections/nothing")
        assert response.headers["content-type"] == "application/problem+json"


async def test_a_cut_connection_keeps_nothing(api: IngestApi, database: Database) -> None:
    cut = request(part(b"cut.txt", b"x" * 3_000_000), missing=100)
    async with served(api) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(cut.replace(b"POST /v1/documents", b"POST /openai/v1/files", 1))
        await writer.drain()
        await until(lambda: bool(api.blobs()))
        writer.close()
        await writer.wait_closed()
        await until(lambda: api.blobs() == [])
    assert await rows(database, "SELECT id FROM files") == []
