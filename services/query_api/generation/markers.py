"""The model's markers (`[1]`, `[2, 3]`) become sources; what points nowhere is taken out."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.query_api.generation.passages import Cited, Claim, Passage
from services.query_api.generation.quotes import quote_for
from services.query_api.generation.sentences import spans

_NUMBERS = r"\d{1,4}(?:\s*(?:[,;]|-|\u2013)\s*\d{1,4})*"
_ONE = rf"(?:\[\s*(?:(?i:passages?|sources?)\s+)?{_NUMBERS}\s*\]|【[^】\n]*】|\[Source:[^\]\n]*\])"
_RUN = re.compile(rf"(?P<blank>\s*)(?P<markers>{_ONE}(?:\s*{_ONE})*)")
_MARKER = re.compile(_ONE)
_NUMBER = re.compile(r"(\d{1,4})(?:\s*[-\u2013]\s*(\d{1,4}))?")
_MAX_RANGE = 20


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place in the answer without its markers, and the passages that markers there mean."""

    at: int
    blank: str
    passages: Sequence[Passage]


def resolve(answer: str, passages: Sequence[Passage]) -> Cited:
    """Put sources in the place of markers, and take out those of no passage that was given.

    A model also writes sources by itself (`[Source: …]`): one that is a passage's stays, any
    other was invented and goes.
    """
    plain, marks = _without_markers(answer, passages)
    sentences = list(spans(plain))
    starts = [start for start, _ in sentences]
    claims: dict[tuple[int, str], Claim] = {}
    sources: list[list[str]] = []
    supported: set[int] = set()
    for mark in marks:
        # A marker speaks for the sentence it stands in, or behind.
        sentence = max(0, bisect_left(starts, mark.at) - 1)
        text = plain[slice(*sentences[sentence])] if sentences else ""
        supported.add(sentence)
        made = [_claim(one, text) for one in mark.passages]
        for claim in made:
            claims.setdefault((claim.passage.number, claim.quote), claim)
        sources.append(list(dict.fromkeys(claim.source for claim in made)))
    support = len(supported) / len(sentences) if sentences else 0.0
    return Cited(_with_sources(plain, marks, sources), list(claims.values()), support)


def _claim(passage: Passage, text: str) -> Claim:
    chunk, quote = quote_for(text, passage.best_first)
    return Claim(passage, chunk, text, quote)


def _without_markers(answer: str, passages: Sequence[Passage]) -> tuple[str, list[_Mark]]:
    pieces: list[str] = []
    marks: list[_Mark] = []
    length = at = 0
    for run in _RUN.finditer(answer):
        pieces.append(answer[at : run.start()])
        length += len(pieces[-1])
        at = run.end()
        meant = [
            one for marker in _MARKER.findall(run["markers"]) for one in _meant(marker, passages)
        ]
        if meant:
            marks.append(_Mark(length, run["blank"] or " ", meant))
    pieces.append(answer[at:])
    return "".join(pieces), marks


def _with_sources(plain: str, marks: Sequence[_Mark], sources: Sequence[Sequence[str]]) -> str:
    pieces: list[str] = []
    at = 0
    for mark, stated in zip(marks, sources, strict=True):
        pieces += [plain[at : mark.at], mark.blank, " ".join(stated)]
        at = mark.at
    pieces.append(plain[at:])
    return "".join(pieces).strip()


def _meant(marker: str, passages: Sequence[Passage]) -> list[Passage]:
    if marker.startswith("[Source:"):
        return [passage for passage in passages if marker in passage.sources][:1]
    numbers = set(_numbers(marker))
    return [passage for passage in passages if passage.number in numbers]


def _numbers(marker: str) -> Iterator[int]:
    for first, last in _NUMBER.findall(marker):
        end = min(int(last or first), int(first) + _MAX_RANGE)
        yield from range(int(first), end + 1)
