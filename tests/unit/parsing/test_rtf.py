"""Rich text."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, body: bytes) -> list[tuple[str, str]]:
    path.write_bytes(rb"{\rtf1\ansi\ansicpg1252\deff0 " + body + b"}")
    found = Parsers().parse(Source(path, "a.rtf"), None).elements
    return [(one.kind.value, one.text) for one in found]


def test_headings_by_outline_and_by_style(path: Path) -> None:
    body = (
        rb"{\stylesheet{\s0 Normal;}{\s3\b heading 2;}}"
        rb"\pard\s3 By style\par\pard\outlinelevel0 By level\par\pard Words\par"
    )
    path.write_bytes(rb"{\rtf1 " + body + b"}")
    found = Parsers().parse(Source(path, "a.rtf"), None).elements
    assert [(one.text, one.level) for one in found] == [
        ("By style", 2),
        ("By level", 1),
        ("Words", None),
    ]


def test_tables_and_cells_of_several_paragraphs(path: Path) -> None:
    rows = (
        rb"\trowd\pard\intbl a\cell b\par more\cell\row"
        rb"\trowd\pard\intbl 1\cell 2\cell\row\pard After\par"
    )
    assert read(path, rows) == [("table", "a | b more\n1 | 2"), ("paragraph", "After")]


def test_lists_keep_their_marks(path: Path) -> None:
    body = rb"{\listtext\pard\plain 1)\tab}\pard\ls1 one\par{\listtext\pard 2)\tab}two\par"
    assert read(path, body) == [("list_item", "1)\tone"), ("list_item", "2)\ttwo")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb"caf\'e9", "café"),
        (rb"\u8364?\u-10179?\u-8704?", "€😀"),
        (rb"{\uc2\u8364\'80x}y", "€y"),
        (rb"\lquote a\rquote\~b\_c\-d\emdash", "‘a’\u00a0b-cd—"),  # noqa: RUF001
        (rb"{\fonttbl{\f0\fcharset204 A;}{\f1\fcharset128 B;}}\f0\'cf\f1\'93\'8c\'8b\'9e", "П東京"),
        (rb"a\line b\tab c", "a\nb\tc"),
        (rb"C:\\temp \{x\}", "C:\\temp {x}"),
        (rb"{\fonttbl{\f1\fcharset128 B;}}\f1\'83\\\'94\{", "ソ倍"),
        (rb"seen{\v hidden}{\deleted gone}", "seen"),
        (rb'{\field{\*\fldinst HYPERLINK "x"}{\fldrslt shown}}', "shown"),
        (rb"{\pict 89504e47}{\*\unknown text}{\*\bkmkstart b}kept", "kept"),
        (rb"a\bin4 }}}}b", "ab"),
        (rb"{\info{\title T}}{\colortbl;\red0;}body", "body"),
    ],
)
def test_text(path: Path, body: bytes, expected: str) -> None:
    assert read(path, body) == [("paragraph", expected)]


def test_notes_follow_their_paragraph_and_margins_come_last(path: Path) -> None:
    body = (
        rb"{\header Top\par}{\footerf Bottom}{\headerr Top\par}"
        rb"Claim{\footnote\pard The note}{\*\annotation A remark} goes on\par Next\par"
    )
    assert [text for _, text in read(path, body)] == [
        *("Claim goes on", "The note", "A remark", "Next", "Top", "Bottom"),
    ]


def test_margins_alone_are_no_text(path: Path) -> None:
    assert read(path, rb"{\header Top\par}\par") == []


def test_deep_nesting_and_stray_braces(path: Path) -> None:
    assert read(path, b"{" * 50_000 + b"deep") == [("paragraph", "deep")]
    assert read(path, b"}}}}still here") == [("paragraph", "still here")]
