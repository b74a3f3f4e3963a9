"""Batches paused and resumed; failed jobs found and opened again, one, a batch's, or all."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.ingest_worker import retrying
from services.ingest_worker.upkeep.sweeper import Sweeper
from shared.database import pauses
from shared.database.embed_queue import EmbedQueue
from shared.database.engine import Database
from shared.database.jobs import Jobs
from shared.database.parts import Parts
from shared.errors import CitewellError, FileCorrupt, ParserCrashed, ParseTimedOut
from shared.problems import problem_of
from tests.support.ingest_api import IngestApi, upload
from tests.support.seeds import job_row
from tests.support.workers import Workers

PROSE = b"# Foxes\n\nThe quick brown fox jumps over the lazy dog.\n"


async def call(api: IngestApi, path: str, **body: Any) -> dict[str, Any]:
    response = await api.client.post(path, json=body) if body else await api.client.post(path)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def fail(database: Database, job_id: str, error: CitewellError) -> None:
    async with database.worker() as connection:
        await Jobs(connection).fail(UUID(job_id), problem_of(error))


async def job(api: IngestApi, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"/v1/jobs/{job_id}")).json()
    return found


async def listed(api: IngestApi, **query: Any) -> list[str]:
    response = await api.client.get("/v1/jobs", params=query)
    assert response.status_code == 200, response.text
    return [one["id"] for one in response.json()["items"]]


def ids(answer: dict[str, Any]) -> list[str]:
    return [job["job_id"] for job in answer["jobs"]]


class TestPause:
    async def test_nothing_new_of_it_is_parsed_until_it_goes_on(
        self, api: IngestApi, workers: Workers, database: Database
    ) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        free = await upload(api.client, ("b.md", PROSE))
        paused = await call(api, f"/v1/batches/{held['batch_id']}/pause")
        assert paused["paused"] is True
        await workers.work()
        assert (await job(api, ids(held)[0]))["state"] == "queued"
        assert (await job(api, ids(free)[0]))["state"] == "succeeded"
        resumed = await call(api, f"/v1/batches/{held['batch_id']}/resume")
        assert resumed["paused"] is False
        await workers.work()
        assert (await job(api, ids(held)[0]))["state"] == "succeeded"
        assert await events(database, ids(held)[0]) > 3

    async def test_nothing_new_of_it_is_embedded_either(
        self, api: IngestApi, workers: Workers, database: Database
    ) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        workers.embedder.fails_after(0)
        await workers.work()
        assert (await job(api, ids(held)[0]))["state"] == "embedding"
        workers.embedder.failure = None
        await change(database, "UPDATE embed_queue SET not_before = now()")
        await call(api, f"/v1/batches/{held['batch_id']}/pause")
        async with database.worker() as connection:
            queue = EmbedQueue(connection)
            assert await queue.waiting(most=1) is None
            assert await queue.ready(most=10) == 0
        await workers.work()
        assert (await job(api, ids(held)[0]))["state"] == "embedding"
        # Another batch in the same space is not held up by the one before it.
        free = await upload(api.client, ("b.md", b"Another text altogether."))
        await workers.work()
        assert (await job(api, ids(free)[0]))["state"] == "succeeded"
        await call(api, f"/v1/batches/{held['batch_id']}/resume")
        await workers.work()
        assert (await job(api, ids(held)[0]))["state"] == "succeeded"

    @pytest.mark.parametrize("state", ["queued", "parsing", "embedding"])
    async def test_its_open_jobs_say_that_they_wait_for_an_operator(
        self, api: IngestApi, database: Database, state: str
    ) -> None:
        held = await upload(api.client, ("a.md", PROSE), ("b.md", b"another"))
        [waiting, failed] = ids(held)
        await fail(database, failed, FileCorrupt())
        await change(database, f"UPDATE jobs SET state = '{state}' WHERE state = 'queued'")  # noqa: S608
        before = (await job(api, waiting))["waiting_for"]
        await call(api, f"/v1/batches/{held['batch_id']}/pause")
        shown = (await job(api, waiting))["waiting_for"]
        assert (shown["kind"], "paused" in shown["detail"]) == ("operator", True)
        assert (await job(api, failed))["waiting_for"] is None
        await call(api, f"/v1/batches/{held['batch_id']}/resume")
        assert (await job(api, waiting))["waiting_for"] == before

    async def test_two_days_of_pause_are_no_failure_and_then_there_is_a_whole_day(
        self, api: IngestApi, database: Database
    ) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        await call(api, f"/v1/batches/{held['batch_id']}/pause")
        await change(database, "UPDATE jobs SET deadline = deadline - interval '48 h'")
        await sweep(api)
        assert (await job(api, ids(held)[0]))["state"] == "queued"
        await call(api, f"/v1/batches/{held['batch_id']}/resume")
        await sweep(api)
        assert (await job(api, ids(held)[0]))["state"] == "queued"
        left = await job_row(database, UUID(ids(held)[0]))
        assert timedelta(hours=24) - (left["deadline"] - left["updated_at"]) < timedelta(seconds=1)

    async def test_its_time_does_not_run_out_meanwhile(
        self, api: IngestApi, database: Database
    ) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        await call(api, f"/v1/batches/{held['batch_id']}/pause")
        await change(database, "UPDATE jobs SET deadline = now() - interval '1 s'")
        async with database.worker() as connection:
            assert await Jobs(connection).past_deadline() == []
        await call(api, f"/v1/batches/{held['batch_id']}/resume")
        async with database.worker() as connection:
            assert await Jobs(connection).past_deadline() == []
        await change(database, "UPDATE jobs SET deadline = now() - interval '1 s'")
        async with database.worker() as connection:
            assert await Jobs(connection).past_deadline() == [UUID(ids(held)[0])]

    async def test_it_may_be_repeated_and_changes_revisions_once(self, api: IngestApi) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        path = f"/v1/batches/{held['batch_id']}"
        first = await call(api, f"{path}/pause")
        again = await call(api, f"{path}/pause")
        assert first["revision"] == again["revision"]
        assert first["counts"]["queued"] == first["total"] == 1
        assert (await call(api, f"{path}/resume"))["revision"] == first["revision"] + 1

    async def test_its_waiting_work_is_out_of_sight_for_as_long_as_it_lasts(
        self, api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pauses, "JOBS_A_SLICE", 2)
        files = [(f"{number}.md", PROSE) for number in range(5)]
        held = await upload(api.client, *files)
        path = f"/v1/batches/{held['batch_id']}"

        async def marked() -> int:
            async with database.worker() as connection:
                counted = await connection.execute(text("SELECT count(*) FROM parts WHERE held"))
                return int(counted.scalar_one())

        await call(api, f"{path}/pause")
        assert await marked() == 5
        for job_id in ids(held):
            await fail(database, job_id, FileCorrupt())
        await call(api, f"{path}/resume")
        # What was stopped meanwhile kept its mark, until it is retried.
        await call(api, f"{path}/retry")
        async with database.worker() as connection:
            assert len(await Parts(connection).take_waiting(room=99)) == 5
        await change(database, "UPDATE parts SET published_at = NULL, held = false")
        await call(api, f"{path}/pause")
        await call(api, f"{path}/resume")
        assert await marked() == 0

    async def test_a_pause_and_a_resume_at_once_leave_nothing_marked_that_goes_on(
        self, api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pauses, "JOBS_A_SLICE", 1)
        held = await upload(api.client, *((f"{number}.md", PROSE) for number in range(6)))
        path = f"/v1/batches/{held['batch_id']}"
        for _ in range(5):
            await asyncio.gather(
                call(api, f"{path}/pause"), call(api, f"{path}/resume"), call(api, f"{path}/pause")
            )
            await call(api, f"{path}/resume")
            async with database.worker() as connection:
                wrong = await connection.execute(
                    text(
                        "SELECT count(*) FROM parts p JOIN jobs j ON j.id = p.job_id"
                        " JOIN batches b ON b.id = j.batch_id WHERE p.held AND NOT b.paused"
                    )
                )
                assert wrong.scalar_one() == 0

    async def test_a_paused_batch_can_be_cancelled(self, api: IngestApi) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        await call(api, f"/v1/batches/{held['batch_id']}/pause")
        ended = await call(api, f"/v1/batches/{held['batch_id']}/cancel")
        assert ended["counts"]["cancelled"] == 1
        assert ended["finished_at"] is not None

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    async def test_another_tenants_is_404(self, api: IngestApi, verb: str) -> None:
        held = await upload(api.client, ("a.md", PROSE))
        for client, batch_id in ((api.as_tenant("rival"), held["batch_id"]), (api.client, uuid4())):
            assert (await client.post(f"/v1/batches/{batch_id}/{verb}")).status_code == 404


class TestDeadLetters:
    async def test_they_are_found_by_code_by_what_helps_and_by_collection(
        self, api: IngestApi, database: Database
    ) -> None:
        await api.client.put("/v1/collections/other", json={})
        answer = await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
        [d] = ids(await upload(api.client, ("d", b"4"), collection="other"))
        a, b, c = ids(answer)
        await fail(database, a, ParserCrashed())
        await fail(database, b, FileCorrupt())
        await fail(database, d, ParseTimedOut())
        assert await listed(api, state="failed") == [a, b, d]
        assert await listed(api, state="failed", retryable="true") == [a, d]
        assert await listed(api, state="failed", retryable="false") == [b]
        assert await listed(api, code="parser_crashed") == [a]
        assert await listed(api, state="failed", collection="other") == [d]
        assert await listed(api, collection="default") == [a, b, c]
        unknown = await api.client.get("/v1/jobs", params={"collection": "nowhere"})
        assert unknown.status_code == 404

    async def test_all_that_failed_in_one_way_are_opened_by_calls_of_bounded_size(
        self, api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retrying, "SLICE", 3)
        answer = await upload(api.client, *((f"{n}.txt", b"%d" % n) for n in range(10)))
        for job_id in ids(answer):
            await fail(database, job_id, ParserCrashed())
        other = ids(await upload(api.client, ("other", b"x")))[0]
        await fail(database, other, FileCorrupt())
        pages = []
        cursor = None
        while True:
            page = await call(api, "/v1/jobs/retry", code="parser_crashed", limit=4, cursor=cursor)
            pages.append(page["retried"])
            if (cursor := page["next_cursor"]) is None:
                break
        assert pages == [4, 4, 2]
        assert await listed(api, state="failed") == [other]
        assert await listed(api, state="queued") == ids(answer)
        assert (await call(api, "/v1/jobs/retry", code="parser_crashed"))["retried"] == 0
        assert (await call(api, "/v1/jobs/retry", retryable=True))["retried"] == 0
        assert (await call(api, "/v1/jobs/retry"))["retried"] == 1

    async def test_only_the_callers_own_and_only_of_what_was_named(
        self, api: IngestApi, database: Database
    ) -> None:
        await api.client.put("/v1/collections/other", json={})
        first = await upload(api.client, ("a", b"1"))
        second = await upload(api.client, ("b", b"2"), collection="other")
        theirs = await upload(api.as_tenant("rival"), ("a", b"1"))
        for job_id in (*ids(first), *ids(second), *ids(theirs)):
            await fail(database, job_id, ParserCrashed())
        assert (await call(api, "/v1/jobs/retry", batch=first["batch_id"]))["retried"] == 1
        assert (await call(api, "/v1/jobs/retry", collection="other"))["retried"] == 1
        async with database.worker() as connection:
            states = await connection.execute(text("SELECT tenant_id, state FROM jobs ORDER BY 1"))
            assert [tuple(row) for row in states] == [
                ("acme", "queued"),
                ("acme", "queued"),
                ("rival", "failed"),
            ]
        unknown = await api.client.post("/v1/jobs/retry", json={"collection": "nowhere"})
        assert unknown.status_code == 404
        wrong = await api.client.post("/v1/jobs/retry", json={"cursor": "?"})
        assert wrong.status_code == 422

    async def test_an_old_version_is_passed_over(self, api: IngestApi, database: Database) -> None:
        old = await upload(api.client, ("a", b"old"))
        await fail(database, ids(old)[0], ParserCrashed())
        await upload(api.client, ("a", b"new"))
        done = await call(api, "/v1/jobs/retry", options={"ocr": True})
        assert (done["retried"], done["passed_over"]) == (0, 1)
        batch = await call(api, f"/v1/batches/{old['batch_id']}/retry")
        assert batch["counts"]["failed"] == 1
        # By its id it is what was asked for.
        assert (await call(api, f"/v1/jobs/{ids(old)[0]}/retry"))["state"] == "queued"

    async def test_two_at_once_open_each_job_once(
        self, api: IngestApi, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retrying, "SLICE", 2)
        answer = await upload(api.client, *((f"{n}.txt", b"%d" % n) for n in range(12)))
        for job_id in ids(answer):
            await fail(database, job_id, ParserCrashed())
        done = await asyncio.gather(*(call(api, "/v1/jobs/retry") for _ in range(4)))
        assert sum(one["retried"] for one in done) == 12
        async with database.worker() as connection:
            revisions = await connection.execute(text("SELECT DISTINCT revision FROM jobs"))
            assert list(revisions.scalars()) == [2]


class TestBatchRetry:
    async def test_one_kind_of_failure_alone(self, api: IngestApi, database: Database) -> None:
        answer = await upload(api.client, ("a", b"1"), ("b", b"2"), ("c", b"3"))
        a, b, c = ids(answer)
        await fail(database, a, ParserCrashed())
        await fail(database, b, FileCorrupt())
        await api.client.post(f"/v1/jobs/{c}/cancel")
        path = f"/v1/batches/{answer['batch_id']}/retry"
        batch = await call(api, path, code="parser_crashed")
        assert (batch["counts"]["queued"], batch["counts"]["failed"]) == (1, 1)
        assert batch["counts"]["cancelled"] == 1
        batch = await call(api, path)
        assert batch["counts"]["queued"] == batch["total"] == 3

    async def test_other_options_are_new_versions_and_the_same_ones_are_not(
        self, api: IngestApi, database: Database
    ) -> None:
        answer = await upload(api.client, ("a", b"1"), ("b", b"2"))
        for job_id in ids(answer):
            await fail(database, job_id, ParserCrashed())
        path = f"/v1/batches/{answer['batch_id']}/retry"
        await call(api, path, options={"ocr": None})
        assert [(await job(api, one))["version"] for one in ids(answer)] == [1, 1]
        for job_id in ids(answer):
            await fail(database, job_id, ParserCrashed())
        await call(api, path, options={"ocr": True})
        assert [(await job(api, one))["version"] for one in ids(answer)] == [2, 2]

    async def test_a_job_begun_anew_and_failed_again_goes_on_with_its_own_parts(
        self, api: IngestApi, database: Database, workers: Workers
    ) -> None:
        answer = await upload(api.client, ("a.md", PROSE))
        [job_id] = ids(answer)
        await fail(database, job_id, ParserCrashed())
        await call(api, f"/v1/jobs/{job_id}/retry", options={"ocr": True})
        await fail(database, job_id, ParserCrashed())
        await call(api, f"/v1/jobs/{job_id}/retry")
        async with database.worker() as connection:
            waiting = await Parts(connection).take_waiting(room=10)
        assert len(waiting) == 1
        await change(database, "UPDATE parts SET published_at = NULL")
        await workers.work()
        assert (await job(api, job_id))["state"] == "succeeded"

    async def test_an_unknown_field_is_422(self, api: IngestApi) -> None:
        answer = await upload(api.client, ("a", b"1"))
        for path in (f"/v1/batches/{answer['batch_id']}/retry", "/v1/jobs/retry"):
            refused = await api.client.post(path, json={"state": "failed"})
            assert refused.status_code == 422


async def sweep(api: IngestApi) -> None:
    async def bury() -> None:
        return

    sweeper = Sweeper(
        database=api.context.database,
        bury=bury,
        wake=api.context.wake,
        settings=api.context.settings.ingest,
        grace_s=api.context.grace_s,
    )
    assert await sweeper.sweep()


async def events(database: Database, job_id: str) -> int:
    async with database.worker() as connection:
        found = await connection.execute(
            text("SELECT count(*) FROM events WHERE job_id = :id"), {"id": UUID(job_id)}
        )
        return int(found.scalar_one())


async def change(database: Database, statement: str) -> None:
    async with database.worker() as connection:
        await connection.execute(text(statement))
