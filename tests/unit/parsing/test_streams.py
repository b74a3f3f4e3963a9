"""Text files read piece by piece."""

from pathlib import Path

from services.ingest_worker.parsing.text.streams import MAX_LINE_CHARS, WHOLE_BYTES, open_text


def test_an_encoding_that_shows_late_is_found(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"plain words\n" * (WHOLE_BYTES // 10) + "Zürich, Köln\n".encode("cp1252") * 9)
    with open_text(path) as file:
        assert [warning.code for warning in file.warnings] == ["encoding_guessed"]
        assert list(file.lines())[-1] == "Zürich, Köln\n"


def test_a_large_file_in_utf_8_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    text = "Zürich 北京\n" * (WHOLE_BYTES // 8)
    path.write_text(text, encoding="utf-8")
    with open_text(path) as file:
        assert (file.encoding, file.warnings) == ("utf-8", [])
        assert "".join(file.pieces()) == text


def test_a_line_without_end_comes_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_text("x" * (2 * MAX_LINE_CHARS + 1), encoding="utf-8")
    with open_text(path) as file:
        assert [len(line) for line in file.lines()] == [MAX_LINE_CHARS, MAX_LINE_CHARS, 1]
