"""Tables as text: delimiters, headers, quotes, damage, size."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.delimited import MAX_HEADER_CHARS, RUN_CHARS, sniffed
from shared.models import ElementKind


def read(folder: Path, content: str | bytes, filename: str = "a.csv") -> Parsed:
    path = folder / "blob"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Parsers().parse(Source(path, filename), None)


def rows(parsed: Parsed) -> list[str]:
    assert {one.kind for one in parsed.elements} <= {ElementKind.TABLE}
    return [row for one in parsed.elements for row in one.text.split("\n")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_columns(tmp_path: Path, delimiter: str) -> None:
    lines = [["name", "price"], ["tea", "1.50"], ["salt, coarse", "0.80"]]
    content = "\r\n".join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    assert rows(read(tmp_path, content)) == ["name | price", "tea | 1.50", "salt, coarse | 0.80"]


def test_commas_in_numbers_do_not_make_columns() -> None:
    assert sniffed(["name;price", "tea;1,50", "salt;0,80"]) == ";"


def test_cells_keep_their_places_and_lose_their_line_breaks(tmp_path: Path) -> None:
    content = 'a,b,c\n1,,"two\nlines, one cell"\n,,\n"said ""so""",2,\n'
    assert rows(read(tmp_path, content)) == [
        *("a | b | c", "1 |  | two lines, one cell", 'said "so" | 2'),
    ]


def test_each_run_of_rows_stands_under_the_header(tmp_path: Path) -> None:
    content = "number,word\n" + "".join(f"{n},word {n}\n" for n in range(2000))
    parsed = read(tmp_path, content)
    assert len(parsed.elements) > 2
    assert all(one.text.startswith("number | word\n") for one in parsed.elements)
    assert all(len(one.text) < RUN_CHARS * 1.5 for one in parsed.elements)
    assert [row for row in rows(parsed) if row != "number | word"] == [
        f"{n} | word {n}" for n in range(2000)
    ]


@pytest.mark.parametrize("first", ["1,2", "name,", f"{'long ' * MAX_HEADER_CHARS},b"])
def test_what_is_no_header_comes_once(tmp_path: Path, first: str) -> None:
    found = rows(read(tmp_path, first + "\n" + "some,words here\n" * 1000))
    assert len(found) == 1001


def test_a_quote_that_is_never_closed_hides_nothing(tmp_path: Path) -> None:
    content = 'a,b\n1,"open\n' + "2,some words\n" * 100_000
    found = rows(read(tmp_path, content))
    assert found.count("2 | some words") == 100_000


def test_encodings_are_told_as_elsewhere(tmp_path: Path) -> None:
    utf_16 = read(tmp_path, "name,place\nZoë,Zürich\n".encode("utf-16"))
    assert (rows(utf_16), utf_16.warnings) == (["name | place", "Zoë | Zürich"], [])
    legacy = read(tmp_path, "name,place\nZoë,Zürich\n".encode("cp1252"))
    assert rows(legacy) == ["name | place", "Zoë | Zürich"]
    assert [warning.code for warning in legacy.warnings] == ["encoding_guessed"]


def test_nothing_but_delimiters_is_no_text(tmp_path: Path) -> None:
    parsed = read(tmp_path, ",,,\n,,,\n")
    assert (parsed.elements, parsed.warnings[0].code) == ([], "page_without_text")
