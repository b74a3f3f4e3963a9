"""Words that may stand for one another, so that an answer need not speak as its source does."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from shared.embeddings.sparse import terms

_LISTS = Path(__file__).parent / "alike.txt"
# Terms of so many letters count as one from here on: `assimilation` and `assimilated`.
_BEGINNING = 6


@cache
def _leaders() -> Mapping[str, str]:
    """Return for each listed term the first one of its line."""
    found: dict[str, str] = {}
    for line in _LISTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        listed = terms(line)
        for term in listed:
            found.setdefault(term, listed[0])
    return found


def alike(term: str) -> str:
    """Return what stands for a term and for all that may be said in its place."""
    leader = _leaders().get(term, term)
    return leader if len(leader) <= _BEGINNING else leader[:_BEGINNING]


def all_alike(found: Iterable[str]) -> frozenset[str]:
    """Return what stands for each of these terms."""
    return frozenset(map(alike, found))
