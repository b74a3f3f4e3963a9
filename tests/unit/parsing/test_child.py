"""The parser process's answers, asked without a process."""

import io
from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Parsed, Plan, Source
from services.ingest_worker.parsing.child import answers, read_request
from services.ingest_worker.parsing.frames import LENGTHS, Failure, Reply, Request, frame
from services.ingest_worker.parsing.packing import unpack_elements
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileEmpty, FileRejected
from shared.models import JobWarning, ParseOptions


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "blob"
    path.write_text("One.\n\nTwo.")
    return Source(path, "a.txt", ParseOptions(ocr=True, language="de"), "secret")


class Greedy:
    """A parser that wants too much."""

    name = "greedy/1"
    media_types = frozenset({"text/plain"})

    def plan(self, source: Source) -> int:
        raise MemoryError(source)

    def parse(self, source: Source, pages: range | None) -> Parsed:
        raise MemoryError(source, pages)


def taken_apart(content: bytes) -> tuple[Reply, bytes]:
    head, body = LENGTHS.unpack(content[: LENGTHS.size])
    rest = content[LENGTHS.size :]
    assert len(rest) == head + body
    return Reply.model_validate_json(rest[:head]), rest[head:]


def test_requests_arrive_as_they_were_sent(source: Source) -> None:
    sent = Request.of("parse", source, range(3, 9))
    stream = io.BytesIO(frame(sent) + frame(Request.of("read", source, None)))
    first, second = read_request(stream), read_request(stream)
    assert first == sent
    assert first is not None
    assert second is not None
    assert (first.source, first.pages) == (source, range(3, 9))
    assert (second.verb, second.pages) == ("read", None)
    assert read_request(stream) is None


def test_half_a_request_is_the_end(source: Source) -> None:
    assert read_request(io.BytesIO(frame(Request.of("read", source, None))[:3])) is None


def test_a_file_of_more_pages_than_wanted_is_only_planned(source: Source) -> None:
    reply, body = taken_apart(*answers(Parsers(), Request.of("read", source, None)))
    assert reply.plan == Plan("text/plain", 1, "text/1")
    assert (reply.pages, body) == (0, b"")


def test_a_small_file_is_planned_and_read_at_once(source: Source) -> None:
    reply, body = taken_apart(*answers(Parsers(), Request.of("read", source, range(1, 2))))
    assert reply.plan == Plan("text/plain", 1, "text/1")
    assert reply.pages == 1
    assert [one.text for one in unpack_elements(body)] == ["One.", "Two."]


def test_elements_are_the_body(source: Source) -> None:
    reply, body = taken_apart(*answers(Parsers(), Request.of("parse", source, None)))
    assert reply.failure is None
    assert [one.text for one in unpack_elements(body)] == ["One.", "Two."]


def test_a_typed_error_travels(source: Source) -> None:
    source.path.write_bytes(b"")
    reply, _ = taken_apart(*answers(Parsers(), Request.of("read", source, None)))
    assert reply.failure is not None
    assert type(reply.failure.error()) is FileEmpty


def test_a_memory_error_is_told_as_such(source: Source) -> None:
    parsers = Parsers([Greedy()])
    reply, _ = taken_apart(*answers(parsers, Request.of("parse", source, None)))
    assert reply.failure is not None
    assert reply.failure.code == "parse_out_of_memory"


@pytest.mark.parametrize("error", FileRejected.__subclasses__())
def test_every_rejection_comes_home_as_its_own_class(error: type[FileRejected]) -> None:
    raised = error("said so", page=3)
    home = Failure(code=raised.code, detail=raised.detail, page=raised.page).error()
    assert (type(home), home.detail, home.page) == (error, "said so", 3)


def test_a_code_nobody_knows_is_a_corrupt_file() -> None:
    assert type(Failure(code="other", detail="x").error()) is FileCorrupt


def test_every_text_of_a_reply_is_scrubbed() -> None:
    head = rb"""{
        "plan": {"media_type": "text/\u0000plain", "pages": 1, "parser": "a\u001b[2J"},
        "warnings": [{"code": "truncated", "detail": "cut\u0007 here"}],
        "failure": {"code": "file_corrupt", "detail": "\u0085bad\u009f"}
    }"""
    assert Reply.trusted(head) == Reply(
        plan=Plan("text/plain", 1, "a[2J"),
        warnings=[JobWarning(code="truncated", detail="cut here")],
        failure=Failure(code="file_corrupt", detail="\nbad"),
    )


@pytest.mark.parametrize(
    "head",
    [
        b"[]",
        b"{",
        b'{"pages": -1}',
        b'{"pages": 99999999999}',
        b'{"plan": {"media_type": "a/b", "pages": 1048577, "parser": "a"}}',
        b'{"warnings": [{"code": "unheard_of", "detail": ""}]}',
    ],
)
def test_what_is_no_reply_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Reply.trusted(head)
