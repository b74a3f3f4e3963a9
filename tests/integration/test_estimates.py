"""What a job waits for, when it is tried next, and how long it and its batch may yet take."""

from typing import Any

import pytest
from sqlalchemy import text

from shared.database.engine import Database
from tests.support.ingest_api import IngestApi, upload


async def run(database: Database, statement: str, **parameters: Any) -> None:
    async with database.worker() as connection:
        await connection.execute(text(statement), parameters)


async def get(api: IngestApi, path: str) -> dict[str, Any]:
    response = await api.client.get(path)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def files(api: IngestApi, count: int, name: str = "") -> tuple[str, list[str]]:
    answer = await upload(
        api.client, *[(f"{name}{n}", f"{name}{n}".encode()) for n in range(count)]
    )
    return f"/v1/batches/{answer['batch_id']}", [f"/v1/jobs/{j['job_id']}" for j in answer["jobs"]]


class TestWaiting:
    async def test_a_place_is_counted_in_the_order_that_work_is_taken(
        self, api: IngestApi, database: Database
    ) -> None:
        _, large = await files(api, 21, "large")
        _, small = await files(api, 2, "small")
        await upload(api.as_tenant("rival"), ("theirs", b"x"))
        places = [(await get(api, job))["waiting_for"]["position"] for job in small + large]
        assert sorted(places[:2]) == [1, 2]
        assert sorted(places[2:]) == list(range(3, 24))
        await run(database, "UPDATE parts SET published_at = now() WHERE NOT bulk")
        assert (await get(api, small[0]))["waiting_for"]["position"] == 1
        after = sorted([(await get(api, job))["waiting_for"]["position"] for job in large])
        assert after == list(range(1, 22))

    async def test_a_long_queue_is_not_counted_to_its_end(
        self, api: IngestApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.ingest_worker.shown.MOST_AHEAD", 3)
        _, jobs = await files(api, 6)
        places = [(await get(api, job))["waiting_for"]["position"] for job in jobs]
        assert sorted(places) == [1, 2, 3, 4, 4, 4]

    async def test_a_paused_batch_is_said_to_be_paused_and_holds_up_nobody(
        self, api: IngestApi, database: Database
    ) -> None:
        batch, paused = await files(api, 2, "paused")
        await run(database, "UPDATE batches SET paused = true")
        _, [other] = await files(api, 1, "other")
        waiting = (await get(api, paused[0]))["waiting_for"]
        assert (waiting["kind"], "paused" in waiting["detail"]) == ("operator", True)
        listed = (await get(api, f"/v1/jobs?batch={batch.rpartition('/')[2]}"))["items"]
        assert {job["waiting_for"]["kind"] for job in listed} == {"operator"}
        assert (await get(api, other))["waiting_for"]["position"] == 1

    async def test_it_says_when_it_is_tried_next(self, api: IngestApi, database: Database) -> None:
        _, [job] = await files(api, 1)
        assert (await get(api, job))["waiting_for"]["until"] is None
        await run(database, "UPDATE parts SET not_before = '2101-02-03T04:05:06Z'")
        assert (await get(api, job))["waiting_for"]["until"].startswith("2101-02-03T")
        await run(database, "UPDATE jobs SET state = 'parsing'")
        waiting = (await get(api, job))["waiting_for"]
        assert (waiting["kind"], waiting["until"][:4]) == ("queue", "2101")
        reason = '{"kind": "store", "code": "storage_unavailable"}'
        await run(database, "UPDATE jobs SET waiting_for = CAST(:r AS jsonb)", r=reason)
        waiting = (await get(api, job))["waiting_for"]
        assert (waiting["kind"], waiting["code"]) == ("store", "storage_unavailable")
        assert waiting["until"].startswith("2101")
        await run(database, "UPDATE jobs SET state = 'succeeded', waiting_for = NULL")
        assert (await get(api, job))["waiting_for"] is None


class TestEstimates:
    async def test_pages_and_chunks_tell_how_long_their_stage_takes(
        self, api: IngestApi, database: Database
    ) -> None:
        _, [job] = await files(api, 1)
        assert (await get(api, job))["eta_s"] is None
        await run(
            database,
            "UPDATE jobs SET state = 'parsing', pages_total = 100, pages_done = 25,"
            " created_at = now() - interval '1 hour', stage_at = now() - interval '10 s'",
        )
        assert (await get(api, job))["eta_s"] == pytest.approx(30, abs=3)
        await run(
            database,
            "UPDATE jobs SET state = 'embedding', stage = 'embed', pages_done = 100,"
            " chunks_total = 50, chunks_left = 10, stage_at = now() - interval '8 s'",
        )
        assert (await get(api, job))["eta_s"] == pytest.approx(2, abs=1)
        await run(database, """UPDATE jobs SET waiting_for = '{"kind": "provider"}'""")
        assert (await get(api, job))["eta_s"] is None

    @pytest.mark.parametrize(
        "change",
        [
            "state = 'parsing'",
            "state = 'parsing', pages_total = 10",
            "state = 'parsing', stage = 'chunk', pages_total = 1, pages_done = 1",
            "state = 'embedding', stage = 'embed', chunks_total = 5, chunks_left = 5",
            "state = 'succeeded', pages_total = 2, pages_done = 1",
        ],
    )
    async def test_what_is_not_known_is_not_guessed(
        self, api: IngestApi, database: Database, change: str
    ) -> None:
        _, [job] = await files(api, 1)
        await run(database, f"UPDATE jobs SET {change}")  # noqa: S608
        assert (await get(api, job))["eta_s"] is None

    async def test_a_queued_job_learns_when_its_turn_comes(
        self, api: IngestApi, database: Database
    ) -> None:
        _, done = await files(api, 10, "done")
        await run(
            database,
            "UPDATE jobs SET state = 'succeeded', finished_at = now() - interval '5 s'",
        )
        await run(database, "UPDATE parts SET state = 'done'")
        _, [job] = await files(api, 1, "next")
        assert len(done) == 10
        assert (await get(api, job))["eta_s"] == pytest.approx(0.5, abs=0.3)
        await run(database, "UPDATE jobs SET finished_at = now() - interval '5 min'")
        assert (await get(api, job))["eta_s"] is None

    async def test_a_batchs_rate_is_that_of_its_work(
        self, api: IngestApi, database: Database
    ) -> None:
        batch, jobs = await files(api, 10)
        await run(
            database,
            "UPDATE jobs SET state = 'succeeded', created_at = now() - interval '600 s',"
            " timings = '{\"queued\": 590000}', finished_at = now()"
            " WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 5)",
        )
        shown = await get(api, batch)
        assert shown["throughput"] == pytest.approx(0.5, abs=0.1)
        assert shown["eta_s"] == pytest.approx(10, abs=2)
        assert len(jobs) == 10
        for change in ("paused = true", "paused = false, sealed = false"):
            await run(database, f"UPDATE batches SET {change}")  # noqa: S608
            assert (await get(api, batch))["eta_s"] is None

    @pytest.mark.parametrize(
        "change", ["duplicate_of = id", "state = 'cancelled'", "finished_at = '2020-01-01'"]
    )
    async def test_what_was_no_work_is_no_rate(
        self, api: IngestApi, database: Database, change: str
    ) -> None:
        batch, _ = await files(api, 3)
        await run(
            database,
            "UPDATE jobs SET state = 'succeeded', finished_at = now()"
            " WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 2)",
        )
        await run(database, f"UPDATE jobs SET {change} WHERE finished_at IS NOT NULL")  # noqa: S608
        shown = await get(api, batch)
        assert (shown["throughput"], shown["eta_s"]) == (0, None)
