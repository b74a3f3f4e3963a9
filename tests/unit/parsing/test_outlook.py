"""Outlook's messages whose body is rich text: unpacked, and read as what it wraps."""

import struct
from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.holders import outlook_rtf
from services.ingest_worker.parsing.holders.outlook_rtf import page_of, unpacked_rtf
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileTooLarge
from shared.models import ElementKind
from tests.support.compound import stored_rtf, write_message

# The two examples of MS-OXRTFCP, section 4.
HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a"
    "800fa0"
)
OVERLAP = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
SUBJECT, BODY = "0037", "1000"
PAGE = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0"
    rb"{\fonttbl{\f0\fswiss Arial;}{\f1\fnil\fcharset161 X;}}"
    rb"{\colortbl\red0\green0\blue0;}\uc1\pard\plain\deftab360 \f0\fs24 "
    rb"{\*\htmltag18 <html>}{\*\htmltag34 <head><style>p \{color: red\}</style></head>}"
    rb"{\*\htmltag50 <body>}{\*\mhtmltag64 <p class=old>}{\*\htmltag64 <h1>}\htmlrtf {\b \htmlrtf0 "
    rb"The plan{\*\htmltag72 </h1>}\htmlrtf \b0}\htmlrtf0 "
    rb"{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Fish {\*\htmltag84 &amp;}\htmlrtf &\htmlrtf0  chips, "
    rb"caf\'e9 \u8364? 5{\*\htmltag116 <br>}\htmlrtf \line\htmlrtf0 {\f1 \'d6\'dc\'f2}\htmlrtf\par}"
    rb"\htmlrtf0 {\*\htmltag72 </p>}\htmlrtf \trowd a\cell b\cell\row \htmlrtf0 "
    rb"{\*\htmltag64 <table><tr><td>}One{\*\htmltag64 </td><td>}Two"
    rb"{\*\htmltag64 </td></tr></table>}"
    rb"{\*\htmltag58 </body></html>}}"
)


def read(path: Path) -> Parsed:
    return Parsers().parse(Source(path, "a.msg"), None)


def texts(parsed: Parsed) -> list[tuple[ElementKind, str]]:
    return [(one.kind, one.text) for one in parsed.elements]


def test_rich_text_is_unpacked() -> None:
    assert unpacked_rtf(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpacked_rtf(OVERLAP) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert unpacked_rtf(stored_rtf(b"{\\rtf1 as it is}")) == b"{\\rtf1 as it is}"


@pytest.mark.parametrize("packed", [b"", b"short", bytes(99), HELLO[:20], HELLO[:-9]])
def test_what_is_damaged_gives_what_comes_before(packed: bytes) -> None:
    whole = unpacked_rtf(HELLO)
    assert whole.startswith(unpacked_rtf(packed))


def test_a_body_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook_rtf, "MAX_BYTES", 1000)
    letter = b"\x00" + b"x" * 8
    again = b"\xff" + struct.pack(">H", 207 << 4 | 0xF) * 8
    content = letter + again * 50
    packed = struct.pack("<IIII", len(content) + 12, 10**6, 0x75465A4C, 0) + content
    with pytest.raises(FileTooLarge):
        unpacked_rtf(packed)


def test_a_message_with_a_rich_body_only(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    write_message(path, {SUBJECT: "Greetings"}, rich=HELLO)
    parsed = read(path)
    assert texts(parsed) == [
        (ElementKind.TITLE, "Greetings"),
        (ElementKind.PARAGRAPH, "hello world"),
    ]
    assert parsed.warnings == []
    assert not parsed.holds_files


def test_a_page_in_rich_text_is_read_as_a_page(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    write_message(path, {SUBJECT: "Page"}, rich=stored_rtf(PAGE))
    assert texts(read(path))[1:] == [
        (ElementKind.TITLE, "The plan"),
        (ElementKind.PARAGRAPH, "Fish & chips, café € 5\nΦάς"),
        (ElementKind.TABLE, "One | Two"),
    ]


def test_a_page_without_text_falls_back_to_the_rich_text(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    rich = rb"{\rtf1\ansi\fromhtml1 {\*\htmltag <p>}\htmlrtf Only here.\par\htmlrtf0 }"
    write_message(path, {SUBJECT: "Odd"}, rich=stored_rtf(rich))
    assert texts(read(path))[1:] == [(ElementKind.PARAGRAPH, "Only here.")]


def test_plain_text_goes_before_rich_text(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    write_message(path, {SUBJECT: "Both", BODY: "The plain words."}, rich=HELLO)
    assert texts(read(path))[1:] == [(ElementKind.PARAGRAPH, "The plain words.")]


def test_a_page_that_is_cut_off_gives_what_is_there() -> None:
    end = PAGE.index(b"Two")
    assert page_of(PAGE)[: len(page_of(PAGE[:end]))] == page_of(PAGE[:end])
    for length in range(end):
        assert len(page_of(PAGE[:length])) <= len(page_of(PAGE)) + 1
