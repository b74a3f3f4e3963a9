"""Judged questions from files: a BEIR folder, or a CSV of questions and expected documents."""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from citewell.client.models import File
from shared.errors import InvalidInput

# What the search takes; BEIR's longest questions (arguana's) are cut there.
MOST_CHARACTERS = 1000
SUFFIX = ".txt"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_QRELS = ("qrels.tsv", "qrels/test.tsv")
_FIELDS = ("query-id", "corpus-id", "score")
_CSV_FIELDS = ("question", "document")


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what it should find: a grade above 0 for each document's name.

    `pages` holds the expected page of a document where the set names one; `unwanted` is a
    document that never counts; `collection` is None for the evaluation's own.
    """

    id: str
    text: str
    wanted: Mapping[str, int]
    pages: Mapping[str, int] = field(default_factory=dict)
    unwanted: str | None = None
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class EvalSet:
    """A set of judged questions; `corpus` is the file its documents can be loaded from."""

    name: str
    collection: str
    questions: Sequence[Question]
    corpus: Path | None = None


def read_set(path: Path) -> EvalSet:
    """Read a BEIR folder or a CSV file.

    Raises:
        InvalidInput: it is neither, or a line of it is wrong; the detail names file and line.
    """
    if path.is_dir():
        return _beir(path)
    if path.is_file():
        return _csv(path)
    raise InvalidInput(f"There is no file or folder {path}.")


def corpus_files(path: Path) -> Iterator[File]:
    """Yield each document of a `corpus.jsonl` as a text file: title, blank line, text.

    Raises:
        InvalidInput: a line is wrong.
    """
    for line, row in _json_lines(path):
        name, text = _text(path, line, row, "_id"), _text(path, line, row, "text", blank=True)
        title = row.get("title") or name
        yield File(f"{name}{SUFFIX}", f"{title}\n\n{text}".encode())


def _beir(folder: Path) -> EvalSet:
    """Read BEIR's layout (Thakur et al., NeurIPS 2021): `queries.jsonl`, and `qrels`."""
    judged = _judgements(_qrels(folder))
    path = folder / "queries.jsonl"
    questions = []
    for line, row in _json_lines(path):
        id_, text = _text(path, line, row, "_id"), _text(path, line, row, "text")
        if wanted := judged.get(id_):
            questions.append(Question(id_, text[:MOST_CHARACTERS], wanted, unwanted=_named(id_)))
    if not questions:
        raise InvalidInput(f"{path}: no question has a judgement above 0.")
    corpus = folder / "corpus.jsonl"
    name = folder.resolve().name
    collection = f"eval-{_NOT_IN_NAMES.sub('-', name)}"[:64]
    return EvalSet(name, collection, questions, corpus if corpus.is_file() else None)


def _qrels(folder: Path) -> Path:
    for name in _QRELS:
        if (folder / name).is_file():
            return folder / name
    raise InvalidInput(f"{folder} has no {' and no '.join(_QRELS)}: it is no BEIR folder.")


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for line, text in _lines(path):
        if line == 1 and text.split("\t")[-1] == _FIELDS[-1]:
            continue
        query, document, grade = _judgement(path, line, text)
        if grade > 0:
            judged.setdefault(query, {})[_named(document)] = grade
    return judged


def _judgement(path: Path, line: int, text: str) -> tuple[str, str, int]:
    columns = text.split("\t")
    try:
        query, document, grade = columns
        return query, document, int(grade)
    except ValueError as error:
        raise _wrong(path, line, f"not {', '.join(_FIELDS)} between tabs") from error


def _csv(path: Path) -> EvalSet:
    questions: dict[tuple[str | None, str], Question] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            _require(path, rows.fieldnames)
            for row in rows:
                _add(questions, _csv_question(path, rows.line_num, row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if not questions:
        raise InvalidInput(f"{path} has no questions.")
    return EvalSet(path.name, "default", list(questions.values()))


def _require(path: Path, names: Sequence[str] | None) -> None:
    missing = [name for name in _CSV_FIELDS if name not in (names or ())]
    if missing:
        raise _wrong(path, 1, f"no column {' and no column '.join(missing)}")


def _csv_question(path: Path, line: int, row: Mapping[str | None, Any]) -> Question:
    # More cells than columns stand under None: most often a comma in a question without quotes.
    if None in row:
        raise _wrong(path, line, "more cells than columns; put texts with commas into quotes")
    cells = {name: (value or "").strip() for name, value in row.items() if name}
    for name in _CSV_FIELDS:
        if not cells[name]:
            raise _wrong(path, line, f"no {name}")
    if len(cells["question"]) > MOST_CHARACTERS:
        raise _wrong(path, line, f"a question of more than {MOST_CHARACTERS} characters")
    document, page = cells["document"], cells.get("page", "")
    pages = {document: _page(path, line, page)} if page else {}
    collection = cells.get("collection") or None
    return Question(str(line), cells["question"], {document: 1}, pages, collection=collection)


def _page(path: Path, line: int, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise _wrong(path, line, f"{text!r} is no page; pages count from 1")
    return int(text)


def _add(questions: dict[tuple[str | None, str], Question], new: Question) -> None:
    """Add a row; one that repeats a question names another document for it."""
    key = new.collection, new.text
    old = questions.get(key, new)
    wanted, pages = {**old.wanted, **new.wanted}, {**old.pages, **new.pages}
    questions[key] = Question(old.id, old.text, wanted, pages, collection=old.collection)


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in _lines(path):
        try:
            row = json.loads(text)
        except ValueError as error:
            raise _wrong(path, line, f"not JSON: {error}") from error
        if not isinstance(row, dict):
            raise _wrong(path, line, "not a JSON object")
        yield line, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, numbered from 1."""
    try:
        with path.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, start=1):
                if text.strip():
                    yield number, text.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error


def _text(path: Path, line: int, row: Mapping[str, Any], name: str, *, blank: bool = False) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not (blank or value.strip()):
        raise _wrong(path, line, f"no text under {name!r}")
    return value


def _named(document_id: str) -> str:
    return f"{document_id}{SUFFIX}"


def _wrong(path: Path, line: int, why: str) -> InvalidInput:
    return InvalidInput(f"{path}, line {line}: {why}.")
