"""The multipart parser: the same events however the body is cut, names exactly as sent."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.uploads.multipart import (
    MultipartEvents,
    PartBegins,
    PartData,
    disposition_parameters,
)
from shared.errors import InvalidInput

BOUNDARY = "frontier"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def body(*parts: tuple[str, bytes]) -> bytes:
    made = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {header}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for header, content in parts
    )
    return made + f"--{BOUNDARY}--\r\n".encode()


def parsed(*pieces: bytes) -> list[tuple[str, str | None, bytes]]:
    events = MultipartEvents(CONTENT_TYPE)
    found: list[tuple[str, str | None, bytes]] = []
    for piece in pieces:
        for event in events.feed(piece):
            if isinstance(event, PartBegins):
                found.append((event.name, event.filename, b""))
            elif isinstance(event, PartData):
                name, filename, content = found.pop()
                found.append((name, filename, content + event.data))
    assert events.complete
    return found


BODY = body(
    ('name="file"; filename="a.txt"', b"one\r\n--front\r\n-- two"),
    ('name="collection"', b"default"),
    ('name="file"; filename="b.txt"', b""),
)
PARTS = [
    ("file", "a.txt", b"one\r\n--front\r\n-- two"),
    ("collection", None, b"default"),
    ("file", "b.txt", b""),
]


@given(st.lists(st.integers(min_value=0, max_value=len(BODY)), max_size=20))
def test_where_the_network_cuts_the_body_makes_no_difference(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(BODY)]
    pieces = [BODY[begin:end] for begin, end in itertools.pairwise(places)]
    assert parsed(*pieces) == PARTS


def test_a_byte_at_a_time() -> None:
    assert parsed(*(bytes([byte]) for byte in BODY)) == PARTS


@given(st.binary(max_size=300))
def test_any_bytes_come_through_unchanged(content: bytes) -> None:
    if f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + content + b"\r\n":
        assert parsed(body(('name="file"; filename="x"', content))) == [("file", "x", content)]


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ('name="file"; filename="a/b/c.txt"', "a/b/c.txt"),
        ('name="file"; filename="../../etc/passwd"', "../../etc/passwd"),
        (r'name="file"; filename="C:\\docs\\a.txt"', r"C:\docs\a.txt"),
        (r'name="file"; filename="C:\docs\a.txt"', r"C:\docs\a.txt"),
        (r'name="file"; filename="say \"hi\".txt"', 'say "hi".txt'),
        ('name="file"; filename="a;b=c.txt"', "a;b=c.txt"),
        ('name="file"; filename="50%22.txt"', "50%22.txt"),
        ('name="file"; filename="Übergröße 日本.pdf"', "Übergröße 日本.pdf"),
        ("name=file; filename=bare.txt", "bare.txt"),
        ('NAME="file"; Filename="x"; filename*=UTF-8\'\'na%C3%AFve.txt', "naïve.txt"),
        ('name="file"; filename="x"; filename*=broken', "x"),
        ('name="file"; filename=""', ""),
        ('name="file"', None),
    ],
)
def test_a_name_is_what_was_sent(header: str, filename: str | None) -> None:
    assert parsed(body((header, b"x"))) == [("file", filename, b"x")]


def test_a_name_that_is_not_utf8_is_read_as_latin1() -> None:
    assert disposition_parameters(b'form-data; name="file"; filename="gr\xfc\xdfe"') == {
        "name": "file",
        "filename": "grüße",
    }


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x", "boundary=x"],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidInput, match="multipart/form-data"):
        MultipartEvents(content_type)


@pytest.mark.parametrize(
    "raw",
    [
        b"no boundary at all",
        b"--frontier\r\nContent-Disposition: form-data\r\n\r\nx\r\n--frontier--\r\n",
        b"--frontier\r\n\r\nx\r\n--frontier--\r\n",
        b"--frontier\r\nBad Header\r\n\r\n",
        b"--frontier\r\n" + b"X-A: b\r\n" * 20 + b"\r\n",
        b'--frontier\r\nContent-Disposition: form-data; name="' + b"x" * 20_000,
    ],
    ids=["none", "no name", "no header", "bad header", "many headers", "long header"],
)
def test_a_malformed_body_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        MultipartEvents(CONTENT_TYPE).feed(raw)


def test_a_quoted_boundary_is_understood() -> None:
    events = MultipartEvents(f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"')
    events.feed(BODY)
    assert events.complete


def test_a_body_without_its_end_is_not_complete() -> None:
    events = MultipartEvents(CONTENT_TYPE)
    events.feed(BODY[:-6])
    assert not events.complete
