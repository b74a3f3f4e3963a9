"""Both clients against a real server: what is sent, what comes back, what is raised."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from typing_extensions import override

from citewell.client import (
    AnswerNotUnderstood,
    AsyncClient,
    Client,
    File,
    FileUnreadable,
    Patience,
    ProblemError,
    ServerUnreachable,
    Turn,
)
from shared.errors import DatabaseUnavailable, GenerationTimedOut, NotFound, RequestUnderWay
from shared.models import JobState, ParseOptions
from tests.support.wire import (
    COPY,
    FOREIGN_PAGE,
    ID,
    KEY,
    MISSING_PAGE,
    NEIGHBOUR,
    PNG,
    Fault,
    Wire,
    busy,
    down,
    sent_json,
)

QUICK = Patience(busy_s=2.0, unreachable_s=1.0, first_s=0.01, longest_s=0.05)
HASTY = Patience(busy_s=0.0, unreachable_s=0.0)


@pytest.fixture
def client(wire: Wire) -> Iterator[Client]:
    with Client(wire.url, key=KEY, patience=QUICK) as client:
        yield client


def test_search_returns_typed_hits_and_ignores_fields_it_does_not_know(
    wire: Wire, client: Client
) -> None:
    result = client.search("battery", limit=3, mode="dense", filters={"year": {"gte": 2020}})
    assert result.hits[0].section == ("3 Batteries", "3.1 Battery life")
    assert result.hits[0].score == 0.91
    assert wire.last("/v1/search") == {
        "query": "battery",
        "limit": 3,
        "mode": "dense",
        "filters": {"year": {"gte": 2020}},
        "rerank": False,
    }


def test_a_search_tells_what_stands_around_a_hit_and_its_copies(wire: Wire, client: Client) -> None:
    wire.hit |= {
        "context": {"before": [NEIGHBOUR | {"text": "Before. "}], "after": []},
        "duplicates": [COPY],
    }
    [hit] = client.search("battery", neighbours=1, distinct=True, max_per_document=2).hits
    assert hit.text_in_context == "Before. It runs for 214 days [on one set]."
    assert [copy.filename for copy in hit.duplicates or ()] == ["copy.pdf"]
    sent = wire.last("/v1/search")
    assert (sent["neighbours"], sent["distinct"], sent["max_per_document"]) == (1, True, 2)


def test_a_question_leaves_out_copies_unless_told_otherwise(wire: Wire, client: Client) -> None:
    client.ask("How long?")
    assert not {"neighbours", "distinct", "max_per_document"} & set(wire.last("/v1/query"))
    client.ask("How long?", neighbours=2, distinct=False, max_per_document=3)
    sent = wire.last("/v1/query")
    assert (sent["neighbours"], sent["distinct"], sent["max_per_document"]) == (2, False, 3)


def test_batches_usage_and_the_doctor_are_typed(wire: Wire, client: Client) -> None:
    client.upload([File("a.txt", b"x")])
    [batch] = client.batches(limit=5).items
    assert batch.total == 1
    usage = client.usage(since=datetime(2026, 1, 2, tzinfo=UTC))
    assert (usage.total.embedding.tokens, usage.collections[0].name) == (900, "default")
    assert wire.last("/v1/usage")["since"].startswith("2026-01-02")
    assert client.doctor(fix=True, budget_s=5).well
    assert wire.last("/v1/admin/doctor") == {"fix": True, "budget_s": 5}


def test_an_answer_carries_its_sources_and_citations(client: Client) -> None:
    answer = client.ask("How long?")
    assert answer.sources == ("[Source: manual.pdf, page 3]",)
    assert answer.citations[0].quote == "It runs for 214 days"


def test_an_answer_is_read_as_it_is_written(wire: Wire, client: Client) -> None:
    *texts, answer = client.stream_answer("How long?", collection="papers")
    sent = wire.last("/v1/query")
    assert (sent["stream"], sent["collection"]) == (True, "papers")
    assert answer == client.ask("How long?")
    assert "".join(map(str, texts)) == "It runs for 214 days [1]."


def test_a_stream_that_ends_in_a_problem_raises_it(wire: Wire, client: Client) -> None:
    wire.stream_problem = GenerationTimedOut()
    with pytest.raises(ProblemError, match="did not answer in time"):
        list(client.stream_answer("How long?"))


def test_a_stream_that_is_cut_off_is_no_answer(wire: Wire, client: Client) -> None:
    wire.stream_cut = True
    with pytest.raises(AnswerNotUnderstood, match="broke off"):
        list(client.stream_answer("How long?"))


def test_turns_and_feedback_are_sent(wire: Wire, client: Client) -> None:
    sent = {"history": [{"role": "user", "content": "How long?"}]}
    client.ask("And then?", history=[Turn(role="user", content="How long?")])
    assert wire.last("/v1/query") == {"question": "And then?", **sent}
    assert list(client.stream_answer("Why?", history=[Turn(role="user", content="How long?")]))
    assert wire.last("/v1/query") == {"question": "Why?", "stream": True, **sent}
    said = client.give_feedback(ID, "down", comment="No.")
    assert (said.rating, said.comment) == ("down", "No.")
    assert wire.last("/v1/feedback")["answer_id"] == ID


def test_files_are_sent_under_the_names_they_are_given(
    wire: Wire, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "ü.txt"
    path.write_bytes(b"text" * 200_000)
    names = ["a/b c.txt", 'quo"ted.txt', "ünïcode/文.md"]
    client.upload([File(name, b"x") for name in names] + [File("big.txt", path), path])
    assert wire.names == ["a/b c.txt", "quo%22ted.txt", "ünïcode/文.md", "big.txt", str(path)]
    assert wire.contents["big.txt"] == path.read_bytes()


def test_an_upload_carries_its_fields_and_an_idempotency_key(wire: Wire, client: Client) -> None:
    client.upload(
        [File("a.txt", b"x")],
        collection="c",
        on_duplicate="skip",
        attributes={"year": 2031},
        options=ParseOptions(ocr=True),
        password="p",  # noqa: S106
        idempotency_key="k",
    )
    assert wire.last("/v1/documents").keys() == {
        *("collection", "on_duplicate", "password", "attributes", "options")
    }
    assert sent_json(wire, "attributes") == {"year": 2031}
    assert sent_json(wire, "options") == {"ocr": True}
    assert wire.headers[-1]["idempotency-key"] == "k"


def test_a_refused_file_does_not_refuse_the_others(client: Client) -> None:
    result = client.upload([File("empty.txt", b""), File("good.txt", b"x")])
    refused, taken = result.jobs
    assert refused.job_id is None
    assert refused.problem is not None
    assert refused.problem.code == "file_empty"
    assert taken.problem is None


def test_a_file_that_is_gone_is_named(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"gone\.txt: No such file"):
        client.upload([File("gone.txt", tmp_path / "gone.txt")])


def test_a_file_that_shrinks_while_it_is_sent_is_named(
    wire: Wire, client: Client, tmp_path: Path
) -> None:
    class Shrunk(File):
        @property
        @override
        def size(self) -> int:
            return 10

    path = tmp_path / "short.txt"
    path.write_text("short")
    with pytest.raises(FileUnreadable, match="became shorter"):
        client.upload([Shrunk("short.txt", path)])
    assert wire.names == []


def test_a_batch_is_waited_for_and_its_jobs_listed_over_all_pages(client: Client) -> None:
    sent = client.upload([File(f"{number}.txt", b"x") for number in range(5)])
    batch = client.wait_batch(sent.batch_id, limit_s=10)
    assert batch.ended
    assert batch.counts == {JobState.SUCCEEDED: 5}
    assert len(client.all_jobs(batch=sent.batch_id)) == 5


def test_waiting_for_a_batch_ends_at_its_limit(wire: Wire, client: Client) -> None:
    wire.endless = True
    sent = client.upload([File("a.txt", b"x")])
    with pytest.raises(TimeoutError):
        client.wait_batch(sent.batch_id, limit_s=0.1)


def test_a_batch_is_followed_to_its_end(client: Client) -> None:
    sent = client.upload([File("a.txt", b"x"), File("bad.txt", b"y")])
    told = list(client.batch_events(sent.batch_id))
    assert told[-1].kind == "end"
    last = {one.job.filename: one.job.state for one in told if one.job}
    assert last == {"a.txt": JobState.SUCCEEDED, "bad.txt": JobState.FAILED}
    assert told[-1].batch is not None
    assert told[-1].batch.ended


@pytest.mark.parametrize("broken", ["cut", "told"])
def test_following_goes_on_where_the_line_broke(wire: Wire, client: Client, broken: str) -> None:
    sent = client.upload([File("a.txt", b"x")])
    wire.cuts = 1 if broken == "cut" else 0
    wire.stream_ends_with = DatabaseUnavailable() if broken == "told" else None
    told = list(client.batch_events(sent.batch_id))
    assert told[-1].kind == "end"
    after = [headers.get("last-event-id") for headers in wire.headers[1:]]
    assert after == [None, "1" if broken == "cut" else "2"]


def test_following_begins_where_it_is_told_and_may_be_left(wire: Wire, client: Client) -> None:
    wire.endless = True
    sent = client.upload([File("a.txt", b"x")])
    events = client.batch_events(sent.batch_id, after="7-1-0")
    assert next(events).kind == "job"
    events.close()
    assert wire.headers[-1]["last-event-id"] == "7-1-0"


def test_what_was_interrupted_does_not_keep_the_client_open(wire: Wire) -> None:
    def interrupted() -> None:
        with suppress(KeyboardInterrupt), Client(wire.url, key=KEY) as client:
            client._portal.start_task_soon(asyncio.sleep, 1000)  # noqa: SLF001
            raise KeyboardInterrupt

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_following_what_is_not_there_is_a_problem(wire: Wire, client: Client) -> None:
    with pytest.raises(ProblemError, match="Not found"):
        next(client.batch_events(ID))
    sent = client.upload([File("a.txt", b"x")])
    wire.endless, wire.stream_ends_with = True, NotFound("It is gone.")
    with pytest.raises(ProblemError, match="It is gone"):
        list(client.batch_events(sent.batch_id))


def test_jobs_can_be_seen_cancelled_and_retried(client: Client) -> None:
    job_id = client.upload([File("bad.txt", b"x")]).jobs[0].job_id
    assert job_id is not None
    assert not client.job(job_id, wait_s=1, since=0).ended
    assert client.cancel_job(job_id).state is JobState.CANCELLED
    assert client.retry_job(job_id, options=ParseOptions(ocr=True)).state is JobState.QUEUED


def test_a_batch_can_be_cancelled_and_retried(wire: Wire, client: Client) -> None:
    sent = client.upload([File("a.txt", b"x")])
    assert client.cancel_batch(sent.batch_id).total == 1
    assert client.retry_batch(sent.batch_id).total == 1
    assert [path.rpartition("/")[2] for _, path, _ in wire.requests[1:]] == ["cancel", "retry"]


def test_a_batch_can_be_held_back(wire: Wire, client: Client) -> None:
    sent = client.upload([File("a.txt", b"x")])
    assert client.pause_batch(sent.batch_id).paused
    assert not client.resume_batch(sent.batch_id).paused
    client.retry_batch(sent.batch_id, code="parse_timeout", options=ParseOptions(ocr=True))
    assert wire.last(f"/v1/batches/{sent.batch_id}/retry") == {
        "code": "parse_timeout",
        "options": {"ocr": True},
    }


def test_all_failed_jobs_are_opened_again_over_all_calls(wire: Wire, client: Client) -> None:
    sent = client.upload([File("late.txt", b"x"), File("good.txt", b"x")])
    client.wait_batch(sent.batch_id, limit_s=10)
    assert [job.filename for job in client.jobs(state="failed", retryable=True).items] == [
        "late.txt"
    ]
    wire.retry_pages = 2
    opened = client.retry_jobs(code="deadline_exceeded", collection="default", batch=ID)
    assert (opened.retried, opened.passed_over) == (2, 0)
    asked = {"code": "deadline_exceeded", "collection": "default", "batch": ID}
    assert wire.last("/v1/jobs/retry") == asked | {"cursor": "next"}


def test_a_version_is_restored(client: Client) -> None:
    restored = client.restore_version(ID, 1)
    assert (restored.jobs[0].version, restored.jobs[0].state) == (4, JobState.QUEUED)


def test_collections_are_made_listed_and_removed(client: Client) -> None:
    made = client.put_collection("c", description="d", fields={"year": "int"})
    assert made.space == "local/small"
    assert client.collection("c").description == "d"
    assert [one.name for one in client.collections().items] == ["c"]
    client.delete_collection("c")
    with pytest.raises(ProblemError) as caught:
        client.collection("c")
    assert caught.value.problem.code == "not_found"


def test_documents_and_chunks_are_read_and_changed(client: Client, tmp_path: Path) -> None:
    assert client.documents(collection="default").items[0].name == "manual.pdf"
    assert client.document(ID).collection == "default"
    assert client.change_document(ID, attributes={"a": 1}).attributes == {"a": 1}
    assert client.versions(ID).items[0].pages == 3
    assert client.chunks(ID).items[0].tokens == 1
    assert client.chunk(ID).text == "x"
    client.download(ID, tmp_path / "copy.pdf")
    assert (tmp_path / "copy.pdf").stat().st_size == 400_000
    client.delete_document(ID)


def test_a_page_is_drawn_with_what_was_wished_for(wire: Wire, client: Client) -> None:
    assert client.page_picture(ID, 3) == PNG + ID.encode()
    assert wire.last("/pages") == {}
    client.page_picture(UUID(ID), 3, chunk_id=UUID(ID), version=2, longest=300)
    assert wire.last("/pages") == {"chunk": ID, "version": "2", "longest": "300"}
    with pytest.raises(ProblemError, match="no page 9"):
        client.page_picture(ID, MISSING_PAGE)
    with pytest.raises(AnswerNotUnderstood, match="no PNG"):
        client.page_picture(ID, FOREIGN_PAGE)


def test_a_busy_server_is_tried_again(wire: Wire, client: Client) -> None:
    wire.faults = [*busy(2), *down(1)]
    assert client.search("x").hits


@pytest.mark.parametrize("on_duplicate", ["replace", "new"])
def test_an_upload_is_sent_whole_again_after_a_cut_line(
    wire: Wire, client: Client, on_duplicate: Literal["replace", "new"]
) -> None:
    under_way = Fault(error=RequestUnderWay(), retry_after="0")
    wire.faults = [*busy(1), Fault(cut=True), under_way]
    client.upload([File("a.txt", b"content")], on_duplicate=on_duplicate)
    assert wire.contents == {"a.txt": b"content"}
    keys = {headers["idempotency-key"] for headers in wire.headers}
    assert len(keys) == 1


def test_a_question_is_not_asked_twice_after_a_cut_line(wire: Wire, client: Client) -> None:
    wire.faults = [Fault(cut=True)]
    with pytest.raises(ServerUnreachable):
        client.ask("How long?")


def test_patience_with_a_busy_server_ends_with_its_problem(wire: Wire) -> None:
    wire.faults = busy(1, retry_after="7")
    with Client(wire.url, key=KEY, patience=HASTY) as client, pytest.raises(ProblemError) as error:
        client.search("x")
    assert error.value.retry_after_s == 7
    assert error.value.problem.code == "rate_limited"


def test_a_wrong_key_is_a_problem_at_once(wire: Wire) -> None:
    with Client(wire.url, key="wrong", patience=QUICK) as client, pytest.raises(ProblemError) as e:
        client.search("x")
    assert e.value.problem.status == 401
    assert len(wire.headers) == 1


def test_a_gateway_whose_service_is_away_is_tried_again(wire: Wire, client: Client) -> None:
    wire.faults = [Fault(status=502, body="<h1>Bad gateway</h1>")]
    assert client.search("x").hits


def test_a_refusal_from_elsewhere_is_worded_as_a_problem(wire: Wire, client: Client) -> None:
    wire.faults = [Fault(status=403, body="<h1>Go\naway</h1>")]
    with pytest.raises(ProblemError, match="Go away") as caught:
        client.search("x")
    assert caught.value.problem.status == 403


def test_another_kind_of_server_is_told_apart(wire: Wire, client: Client) -> None:
    wire.faults = [Fault(status=200, body="<h1>Hello</h1>")]
    with pytest.raises(AnswerNotUnderstood, match="not in Citewell's form"):
        client.search("x")


@pytest.mark.usefixtures("socket_enabled")
def test_an_absent_server_is_named() -> None:
    with (
        Client("http://127.0.0.1:1", patience=HASTY) as client,
        pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1"),
    ):
        client.search("x")
    with Client("localhost:1") as client, pytest.raises(ServerUnreachable):
        client.search("x")


def test_readiness_is_an_answer_even_when_it_is_no(wire: Wire, client: Client) -> None:
    wire.down = frozenset({"qdrant"})
    assert client.readiness("/ingest/readyz").status == "ready"
    unready = client.readiness("/query/readyz")
    assert unready.status == "unavailable"
    assert unready.dependencies["qdrant"].detail == "The probe failed."


async def test_the_asynchronous_client_is_the_same_one(wire: Wire) -> None:
    async with AsyncClient(wire.url, key=KEY) as client:
        assert (await client.search("x")).hits
        assert client.url == wire.url


async def test_the_blocking_client_works_inside_a_running_loop(wire: Wire) -> None:
    with Client(wire.url, key=KEY) as client:
        assert client.search("x").hits
        assert client.url == wire.url
