"""False statements made of true ones: another number, another name, a clause nobody said, a no."""

import random
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(?<![\w.,/-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w/]|[.,]\d|-\d)")
# Not at a sentence's beginning: there any word is capital.
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?:(?: (?:of|the|de|von))* [A-Z][a-z]+)*")
_IDLE = """
The A An In On At It He She They This That These Those January February March April May June July
August September October November December English
"""
_LEAST_YEAR, _LAST_YEAR = 1000, 2100
_NOT_AFTER = re.compile(
    r"\b(?:is|was|are|were|has|had|have|can|could|will|would|may|must)\b(?! not)"
)
# What could be said of almost anything, and was said of nothing here.
CLAUSES = (
    ", and the decision was confirmed by an independent committee",
    ", which was widely criticised by local newspapers",
    " and later received an international award",
    ", although the plan was abandoned for lack of money",
    " and is protected by a special law",
    ", because taxes had been raised the year before",
    ", which made it the most expensive of its kind",
    " and attracts thousands of visitors each summer",
    ", which the government denied for decades",
    ", and its members had to swear an oath of secrecy",
    " and was financed by private donors",
    ", while farmers protested in the capital",
)
ATTRIBUTES = (
    "{} was awarded a prize for outstanding engineering.",
    "{} has been criticised for a lack of transparency.",
    "{} is financed mainly by private donations.",
    "{} was destroyed by fire and later rebuilt.",
    "{} employs mostly volunteers.",
    "{} is known for its generous pension scheme.",
    "{} was kept secret from the public for years.",
    "{} had a strong influence on modern architecture.",
    "{} is regarded as too expensive by most experts.",
    "{} was first described in a letter to a friend.",
    "{} is celebrated with a yearly parade.",
    "{} requires the written consent of both parents.",
)


def numbers_in(text: str) -> list[str]:
    """Return the numbers that stand alone in a text."""
    return _NUMBER.findall(text)


def names_in(text: str) -> list[str]:
    """Return the names in a text, each once."""
    found = (one for one in _NAME.findall(text) if one.split()[0] not in _IDLE.split())
    return list(dict.fromkeys(found))


def other_number(statement: str, among: Sequence[str], draw: random.Random) -> str | None:
    """Return a statement with one number replaced by one of some others."""
    there = numbers_in(statement)
    others = [one for one in among if one not in there]
    if not there or not others:
        return None
    old = draw.choice(there)
    same_kind = [one for one in others if len(one) == len(old)] or others
    return _swapped(statement, old, draw.choice(same_kind))


def another_value(statement: str, draw: random.Random) -> str | None:
    """Return a statement with one number replaced by another that is near it."""
    there = numbers_in(statement)
    if not there:
        return None
    old = draw.choice(there)
    value = float(old.replace(",", ""))
    step = (
        max(1, round(value * draw.choice((0.02, 0.1, 0.3))))
        if not _LEAST_YEAR <= value <= _LAST_YEAR
        else 7
    )
    new = value + draw.choice((-1, 1)) * min(step, value - 1 if value > 1 else 1)
    new = new if new not in (value, 0) else value + 1
    text = f"{new:,.0f}" if "," in old else f"{new:g}" if "." in old else f"{new:.0f}"
    return _swapped(statement, old, text) if text != old else None


def other_name(statement: str, among: Sequence[str], draw: random.Random) -> str | None:
    """Return a statement with one name replaced by one of some others."""
    there = names_in(statement)
    said = set(re.findall(r"\w+", statement))
    others = [one for one in among if said.isdisjoint(one.split())]
    if not there or not others:
        return None
    old = draw.choice(there)
    # `Norman` for `Normans` is no other name.
    others = [one for one in others if _roots(one).isdisjoint(_roots(old))]
    return _swapped(statement, old, draw.choice(others)) if others else None


def _roots(name: str) -> set[str]:
    return {word[:4] for word in name.split()}


def with_invented_clause(statement: str, draw: random.Random) -> str:
    """Return a statement with a clause that nobody said."""
    return f"{statement.rstrip('.')}{draw.choice(CLAUSES)}."


def with_unsaid_attribute(paragraph: str, draw: random.Random) -> str | None:
    """Return what is not said of something that a paragraph names."""
    there = names_in(paragraph)
    return draw.choice(ATTRIBUTES).format(draw.choice(there)) if there else None


def denied(statement: str) -> str | None:
    """Return a statement with a no in it; of one that has one already None."""
    if re.search(r"\b(?:not|no|never|without|nor|n't|only|few|unable|cannot)\b", statement):
        return None
    made, changes = _NOT_AFTER.subn(lambda found: f"{found[0]} not", statement, count=1)
    return made if changes else None


def _swapped(statement: str, old: str, new: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, statement, count=1)
