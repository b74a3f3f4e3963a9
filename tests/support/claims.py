"""Passages and sentences written by hand, as a model would answer from them: claims.toml."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.query_api.generation.passages import Passage, numbered
from tests.unit.query_api.hits import make_hit

_FILE = Path(__file__).parent / "claims.toml"
FALSE_KINDS = ("number", "entity", "unsupported", "negation")


@dataclass(frozen=True)
class Written:
    """A sentence of a kind and the passage it points to, of those that are given with it."""

    kind: str
    text: str
    marked: Passage
    passages: Sequence[Passage]


def written_claims() -> list[Written]:
    """Return all of them; each true one once more as `wrong passage`, pointing to another."""
    cases = tomllib.loads(_FILE.read_text(encoding="utf-8"))["case"]
    passages = [_passages(case["title"], case["passages"]) for case in cases]
    return [
        claim
        for at, case in enumerate(cases)
        for kind in ("true", *FALSE_KINDS)
        for line in case.get(kind, ())
        for claim in _claims(kind, line, passages[at])
    ]


def _claims(kind: str, line: str, passages: Sequence[Passage]) -> Iterator[Written]:
    number, bar, text = line.rpartition("| ")
    at = int(number) - 1 if bar else 0
    yield Written(kind, text, passages[at], passages)
    if kind == "true":
        yield Written("wrong passage", text, passages[1 - at], passages)


def _passages(title: str, texts: Sequence[str]) -> list[Passage]:
    hits = [
        make_hit(text, filename=f"{at}.md", section=(title,), page=at)
        for at, text in enumerate(texts, 1)
    ]
    return numbered(hits)
