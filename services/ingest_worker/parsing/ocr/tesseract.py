"""Tesseract, as its own program: a picture goes in by its input, words come out as a table.

The table (TSV) has a row for each word: level, page, block, paragraph, line, word, left, top,
width, height, confidence, text. Pages on their side or head are turned by Tesseract itself, and
places are told as in the picture that was given.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

from services.ingest_worker.parsing.ocr.base import (
    MIN_WORD_CONFIDENCE,
    OcrFailed,
    OcrLine,
    Picture,
)
from services.ingest_worker.parsing.programs import run_program
from shared.errors import CitewellError

PROGRAM = "tesseract"
# 1: find out how the page is turned, then its columns and paragraphs.
LAYOUT = "1"
WORD_LEVEL = "5"
DEFAULT_LANGUAGE = "eng"
_TELL_S = 10.0
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# ISO 639-1 to the names of Tesseract's own files, which are mostly ISO 639-2/T.
_CODES = dict(
    re.findall(
        r"(\S+):(\S+)",
        "ar:ara bg:bul ca:cat cs:ces da:dan de:deu el:ell en:eng es:spa et:est fa:fas fi:fin fr:fra"
        " he:heb hi:hin hr:hrv hu:hun id:ind is:isl it:ita ja:jpn ko:kor lt:lit lv:lav nb:nor"
        " nl:nld no:nor pl:pol pt:por ro:ron ru:rus sk:slk sl:slv sq:sqi sr:srp sv:swe th:tha"
        " tr:tur uk:ukr vi:vie zh:chi_sim zh-cn:chi_sim zh-tw:chi_tra",
    )
)


class TesseractEngine:
    """Reads pictures with the `tesseract` program; one thread, one page a call."""

    def __init__(self, program: Path) -> None:
        """Take the program's path."""
        self._program = program

    @cached_property
    def name(self) -> str:
        """As the program tells it: `tesseract 5.3.0`."""
        return self._told("--version").splitlines()[0].strip()

    @cached_property
    def languages(self) -> frozenset[str]:
        """What is installed; `osd` and the like are no languages."""
        return frozenset(self._told("--list-langs").splitlines()[1:]) - {"osd", "equ"}

    def read(self, picture: Picture, language: str | None, timeout_s: float) -> list[OcrLine]:
        """Return the lines; languages that are not installed are left out."""
        command = ("-", "-", "--psm", LAYOUT, "-l", self._chosen(language), "tsv")
        # In colour: of shaded cells Tesseract makes more than of their grey.
        head = b"P6 %d %d 255\n" % (picture.width, picture.height)
        table = self._run(command, head + picture.pixels, timeout_s)
        return list(_lines(table))

    def _chosen(self, language: str | None) -> str:
        codes = _LANGUAGE.findall((language or DEFAULT_LANGUAGE).lower())
        wanted = [_CODES.get(code, code) for code in codes]
        installed = [code for code in wanted if code in self.languages]
        spare = DEFAULT_LANGUAGE if DEFAULT_LANGUAGE in self.languages else min(self.languages)
        return "+".join(installed) or spare

    def _told(self, option: str) -> str:
        return self._run((option,), b"", _TELL_S)

    def _run(self, arguments: Sequence[str], given: bytes, timeout_s: float) -> str:
        """Run the program; the only place where it is started."""
        try:
            told = run_program(self._program, arguments, content=given, timeout_s=timeout_s)
        except CitewellError as error:
            raise OcrFailed(error.detail) from error
        except OSError as error:
            raise OcrFailed(f"Tesseract cannot be started: {error}") from error
        return told.decode("utf-8", "replace")


def find_tesseract(programs: Sequence[Path]) -> TesseractEngine | None:
    """Return the engine by the first of these programs that is it, runs and knows a language."""
    engines = (TesseractEngine(path) for path in programs if path.name == PROGRAM)
    return next(filter(_works, engines), None)


def _works(engine: TesseractEngine) -> bool:
    try:
        return bool(engine.languages and engine.name)
    except (OcrFailed, IndexError):
        return False


def _lines(table: str) -> Iterator[OcrLine]:
    rows = (row.split("\t") for row in table.split("\n")[1:])
    words = [row for row in rows if len(row) == 12 and row[0] == WORD_LEVEL and row[11].strip()]  # noqa: PLR2004 - the columns
    blocks: dict[tuple[str, ...], int] = {}
    for key, run in groupby(words, key=lambda row: tuple(row[1:5])):
        line = [row for row in run if float(row[10]) >= MIN_WORD_CONFIDENCE]
        if line:
            yield _line(line, blocks.setdefault(key[:3], len(blocks)))


def _line(words: Sequence[Sequence[str]], block: int) -> OcrLine:
    lefts, tops = [int(word[6]) for word in words], [int(word[7]) for word in words]
    signs = sum(len(word[11]) for word in words)
    return OcrLine(
        text=" ".join(word[11].strip() for word in words),
        x0=min(lefts),
        top=min(tops),
        x1=max(left + int(word[8]) for left, word in zip(lefts, words, strict=True)),
        bottom=max(top + int(word[9]) for top, word in zip(tops, words, strict=True)),
        confidence=sum(float(word[10]) * len(word[11]) for word in words) / signs,
        block=block,
    )
