"""Plain text and its family."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.plain import MAX_CHARS, pieces
from shared.models import ElementKind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, text: str, filename: str = "a.txt") -> Parsed:
    path.write_bytes(text.encode())
    return Parsers().parse(Source(path, filename), None)


def test_paragraphs_are_elements(path: Path) -> None:
    parsed = read(path, "One line\nof two.\r\n \r\n\n    Indented.\n\n\n")
    assert [(one.kind, one.text) for one in parsed.elements] == [
        (ElementKind.PARAGRAPH, "One line\nof two."),
        (ElementKind.PARAGRAPH, "    Indented."),
    ]
    assert parsed.pages == 1


def test_source_code_is_code(path: Path) -> None:
    (first, second) = read(path, "import os\n\n\n    x = 1\n", "a.py").elements
    assert (first.kind, second.text) == (ElementKind.CODE, "    x = 1")


def test_a_log_is_cut_at_line_ends(path: Path) -> None:
    rows = [f"{number},value {number}" for number in range(1000)]
    elements = read(path, "\n".join(rows), "a.log").elements
    assert all(len(one.text) <= MAX_CHARS for one in elements)
    assert [line for one in elements for line in one.text.split("\n")] == rows


def test_white_space_alone_is_told(path: Path) -> None:
    parsed = read(path, " \n\u00a0\u200b\n\t")
    assert parsed.elements == []
    assert [warning.code for warning in parsed.warnings] == ["page_without_text"]


@given(st.text(st.sampled_from("ab \n"), max_size=300), st.integers(2, 20))
def test_pieces_lose_nothing_but_white_space(text: str, size: int) -> None:
    found = list(pieces(text, size))
    assert " ".join(found).split() == text.split()
    assert all(len(one) <= size or len(one.split()) == 1 for one in found)
