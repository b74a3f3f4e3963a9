"""`GET /v1/usage` and the list of batches."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.database.answers import Answers, NewAnswer
from shared.database.engine import Database
from shared.identity import new_id
from tests.integration.test_ingest_api_deletion import run
from tests.integration.test_ingest_api_routes import all_pages, make_live
from tests.support.ingest_api import IngestApi, upload


async def usage(api: IngestApi, **span: str) -> dict[str, Any]:
    response = await api.client.get("/v1/usage", params=span)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_tenant_with_nothing_has_used_nothing(api: IngestApi) -> None:
    body = await usage(api)
    assert body["collections"] == []
    assert body["total"]["documents"] == body["total"]["stored_bytes"] == 0
    assert body["total"]["jobs"]["failed"] == 0
    assert body["total"]["embedding"] == {"tokens": 0, "provider_calls": 0, "cached": 0}


async def test_what_is_held_and_used_is_added_up(api: IngestApi, database: Database) -> None:
    await api.client.put("/v1/collections/papers", json={})
    answer = await upload(api.client, ("a.txt", b"12345"), ("b.txt", b"123"))
    await upload(api.client, ("a.txt", b"1234567"))
    await upload(api.client, ("same.txt", b"12345"), collection="papers")
    await make_live(database, answer["jobs"][1]["document_id"], ["one"])
    await run(
        database,
        'UPDATE jobs SET chunks_total = 1, usage = \'{"tokens": 9, "provider_calls": 1}\''
        " WHERE state = 'succeeded'",
    )
    await run(database, "UPDATE jobs SET usage = '{\"cached\": 4}' WHERE state = 'queued'")
    body = await usage(api)
    default, papers = body["collections"]
    assert (default["name"], papers["name"]) == ("default", "papers")
    assert (default["documents"], default["versions"], default["chunks"]) == (2, 3, 1)
    assert (default["stored_bytes"], papers["stored_bytes"]) == (15, 5)
    total = body["total"]
    assert (total["documents"], total["versions"], total["stored_bytes"]) == (3, 4, 15)
    assert (total["jobs"]["queued"], total["jobs"]["succeeded"]) == (3, 1)
    assert total["embedding"] == {"tokens": 9, "provider_calls": 1, "cached": 12}
    assert papers["embedding"]["cached"] == 4


def answer(day: datetime, model: str = "gpt-test", **changes: Any) -> NewAnswer:
    row: dict[str, Any] = {
        "id": new_id(),
        "tenant_id": "acme",
        "asked_at": day,
        "asked_by": "key:x",
        "collection": "default",
        "outcome": "generated",
        "prompt_tokens": 10,
        "completion_tokens": 2,
    }
    return NewAnswer(**row | changes, model=model)


async def test_what_questions_took_is_added_up_by_model_and_day(
    api: IngestApi, database: Database
) -> None:
    first, second = (datetime(2026, 5, day, 23, 59, tzinfo=UTC) for day in (1, 2))
    async with database.worker() as connection:
        await Answers(connection).add(
            [
                answer(first, cost=0.5),
                answer(first, cost=0.25),
                answer(second, cost=None),
                answer(second, "extractive", prompt_tokens=0, completion_tokens=0),
                answer(second, tenant_id="rival", cost=9.0),
            ]
        )
    chat = (await usage(api))["chat"]
    sums = {name: chat[name] for name in ("answers", "prompt_tokens", "completion_tokens")}
    assert sums == {"answers": 4, "prompt_tokens": 30, "completion_tokens": 6}
    assert (chat["cost"], chat["unpriced"]) == (0.75, 1)
    models = [(one["model"], one["answers"], one["cost"]) for one in chat["models"]]
    assert models == [("extractive", 1, 0), ("gpt-test", 3, 0.75)]
    days = [(one["day"], one["model"], one["answers"]) for one in chat["days"]]
    assert days == [
        ("2026-05-02", "extractive", 1),
        ("2026-05-02", "gpt-test", 1),
        ("2026-05-01", "gpt-test", 2),
    ]


@pytest.mark.parametrize(
    ("span", "answers"),
    [
        ({"since": "2026-05-02T12:00:00Z"}, 1),
        ({"until": "2026-05-02T00:00:00Z"}, 1),
        ({"until": "2026-05-02T00:00:01Z"}, 2),
        ({"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"}, 2),
    ],
)
async def test_chat_is_counted_by_the_days_that_a_span_touches(
    api: IngestApi, database: Database, span: dict[str, str], answers: int
) -> None:
    async with database.worker() as connection:
        days = (answer(datetime(2026, 5, day, tzinfo=UTC)) for day in (1, 2))
        await Answers(connection).add(list(days))
    assert (await usage(api, **span))["chat"]["answers"] == answers


async def test_a_span_of_time_chooses_the_jobs(api: IngestApi) -> None:
    await upload(api.client, ("a.txt", b"one"))
    now = datetime.now(UTC)
    before, after = (now + timedelta(hours=hours) for hours in (-1, 1))
    assert (await usage(api, since=before.isoformat()))["total"]["jobs"]["queued"] == 1
    assert (await usage(api, since=after.isoformat()))["total"]["jobs"]["queued"] == 0
    body = await usage(api, until=before.isoformat())
    assert (body["total"]["jobs"]["queued"], body["total"]["documents"]) == (0, 1)
    long_ago = await usage(api, since="1066-10-14T00:00:00Z")
    assert long_ago["total"]["jobs"]["queued"] == 1


@pytest.mark.parametrize(
    "span",
    [
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
    ],
)
async def test_a_span_that_is_none_is_refused(api: IngestApi, span: dict[str, str]) -> None:
    response = await api.client.get("/v1/usage", params=span)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_a_deleted_collection_leaves_the_list_and_its_jobs_the_sum(api: IngestApi) -> None:
    await api.client.put("/v1/collections/gone", json={})
    await upload(api.client, ("a.txt", b"one"), collection="gone")
    await api.client.delete("/v1/collections/gone")
    body = await usage(api)
    assert body["collections"] == []
    assert (body["total"]["jobs"]["cancelled"], body["total"]["documents"]) == (1, 0)


async def test_another_tenants_use_is_not_seen(api: IngestApi) -> None:
    await upload(api.client, ("a.txt", b"one"))
    async with api.as_tenant("rival", "query") as rival:
        body = (await rival.get("/v1/usage")).json()
    assert body["total"]["jobs"]["queued"] == body["total"]["stored_bytes"] == 0
    assert body["collections"] == []


async def test_batches_are_listed_newest_first_page_by_page(api: IngestApi) -> None:
    assert (await api.client.get("/v1/batches")).json() == {"items": [], "next_cursor": None}
    made = [(await upload(api.client, (f"{n}.txt", b"x")))["batch_id"] for n in range(5)]
    listed = await all_pages(api.client, "/v1/batches", limit=2)
    assert [one["id"] for one in listed] == made[::-1]
    assert listed[0] == listed[0] | {"total": 1, "collection": "default"}
    assert sum(listed[0]["counts"].values()) == 1
    async with api.as_tenant("rival") as rival:
        assert (await rival.get("/v1/batches")).json()["items"] == []


@pytest.mark.parametrize("query", [{"cursor": "no"}, {"limit": 0}, {"limit": 101}])
async def test_a_list_of_batches_refuses_what_is_wrong(api: IngestApi, query: Any) -> None:
    response = await api.client.get("/v1/batches", params=query)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
