"""The numbers of a text, written alike: `1.2 million` is `1,200,000`, `sixteen` is `16`.

A number can often be read in several ways (`1.234`, `03/04/2024`); it has them all.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from services.query_api.generation.verification.number_words import MULTIPLIERS, spelled

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH_OF = {name: at for at, name in enumerate(MONTHS, 1)}
_MONTH_OF |= {name[:3]: at for at, name in enumerate(MONTHS, 1)} | {"sept": 9}

_DIGITS = re.compile(
    # Behind a letter they are part of a code, but in scripts without blanks.
    r"(?<![\dA-Za-z\u00c0-\u0dff])(?:"
    r"(?P<iso>\d{4}-\d{2}-\d{2})(?!\d)"
    r"|(?P<date>\d{1,2}[./]\d{1,2}[./]\d{4})"
    r"|(?P<time>\d{1,2}:\d{2})(?!\d)(?P<half>\s?[ap]\.?m\b)?"
    r"|(?P<years>\d{4}\s?[-\u2013/]\s?\d{2})(?![\d-])"
    r"|(?P<plain>\d{1,3}(?:[ '\u2019]\d{3})+(?!\d)|\d+(?:[.,]\d+)*)"
    r"(?:(?P<letter>[kKmMbB])(?![^\W_])"
    rf"|[\s-]?(?P<times>{'|'.join(MULTIPLIERS)})\b"
    r"|(?P<hour>\s?[ap]\.?m\b))?"
    r")",
    re.IGNORECASE,
)
_LONG = "|".join(name.title() for name in MONTHS if name != "may")
_SHORT = "|".join(name.title() for name in _MONTH_OF if len(name) <= len("sept"))
# `May` and the short ones are also words: a number must stand beside them.
_MONTH = re.compile(rf"\b(?:{_LONG})\b|\b(?:{_SHORT})\b\.?(?=\s*\d)|(?<=\d )May\b")
Kind = Literal["count", "share", "year", "month", "day", "nth", "time"]
_LETTERS = {"k": 1000, "m": 10**6, "b": 10**9}
_VERSION = re.compile(r"\d+(?:\.\d+){2,}(?<!\.\d{3})")
_YEAR = re.compile(r"1[0-9]\d\d|20\d\d")
_SHARE = re.compile(r"\s?(?:%|percent|per cent|prozent|pour cent|por ciento)", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:-|\u2013|,|and|or|to|und|bis|et|y)\s*", re.IGNORECASE)
# At most so many characters stand between a day and its month.
_BESIDE = 5
_NTH = re.compile(r"\w*(?:rd|th|nd|st|ieth)\b", re.IGNORECASE)
# Words before a number that leave some room around it, and how much: from, to, as shares of it.
_ROOM = {
    **dict.fromkeys(("about", "around", "approximately", "roughly", "circa", "some"), (0.95, 1.05)),
    **dict.fromkeys(("over", "exceeding"), (0.99, 1.25)),
    **dict.fromkeys(("nearly", "almost"), (0.8, 1.01)),
}
_BEFORE = re.compile(r"([^\W\d_]+)\W{1,3}$")
# `the two`, `these three`: they count what was named, often in the answer itself.
_MOST_NAMED = 12
_NAMED = frozenset({"the", "these", "those", "both", "all", "following"})


@dataclass(frozen=True, slots=True)
class Number:
    """A number and where it stands; `values` are all ways to read it.

    Only one of its `kind` could stand in its place. `room` is how far from it another may be and
    still be meant, as shares of it. One that is not `asked` counts nothing (`first`, `one`), and
    nobody is asked for it.
    """

    values: frozenset[str]
    start: int
    end: int
    asked: bool = True
    room: tuple[float, float] | None = None
    kind: Kind = "count"

    def meets(self, values: Iterable[str]) -> bool:
        """Tell whether one of these values is this one, or near enough for how it is said."""
        if not self.values.isdisjoint(values):
            return True
        return self.room is not None and any(self._has_room_for(value) for value in values)

    def _has_room_for(self, value: str) -> bool:
        low, high = self.room or (1.0, 1.0)
        other = _float(value)
        return other is not None and any(
            low * mine <= other <= high * mine for mine in map(_float, self.values) if mine
        )


def numbers_of(text: str) -> list[Number]:
    """Return the numbers of a text in order."""
    found = list(_in_digits(text))
    taken = [(one.start, one.end) for one in found]
    found += [one for one in _in_words(text) if not _overlaps(one, taken)]
    found += [
        Number(frozenset({f"month:{_MONTH_OF[one[0].lower().rstrip('.')]}"}), *one.span())
        for one in _MONTH.finditer(text)
    ]
    ordered = sorted(found, key=lambda one: one.start)
    return [
        replace(one, kind=kind) for one, kind in zip(ordered, _kinds(ordered, text), strict=True)
    ]


def _kinds(ordered: Sequence[Number], text: str) -> list[Kind]:
    kinds = [_kind(one, text) for one in ordered]
    for at, (one, after) in enumerate(pairwise(ordered)):
        if after.start - one.end > _BESIDE or "month" not in kinds[at : at + 2]:
            continue
        # A day stands beside its month, on either side.
        day = at if kinds[at + 1] == "month" else at + 1
        if kinds[day] in ("count", "nth"):
            kinds[day] = "day"
    for at in reversed(range(len(kinds) - 1)):
        # Of `between 20 and 80 percent` both are shares.
        if kinds[at + 1] == "share" and _JOINED.fullmatch(
            text, ordered[at].end, ordered[at + 1].start
        ):
            kinds[at] = "share"
    return kinds


def _kind(one: Number, text: str) -> Kind:
    if any(value.startswith("month") for value in one.values):
        return "month"
    if any(":" in value for value in one.values):
        return "time"
    if _SHARE.match(text, one.end):
        return "share"
    if _YEAR.fullmatch(text, one.start, one.end):
        return "year"
    last_word = text[one.start : one.end].rpartition(" ")[2]
    nth = _NTH.fullmatch(text, one.start, one.end + 2) or _NTH.fullmatch(last_word)
    return "nth" if nth else "count"


def _in_digits(text: str) -> Iterator[Number]:
    for found in _DIGITS.finditer(text):
        start, end = found.span()
        if found["iso"]:
            yield from _dated(found["iso"].split("-"), (1,), start, end)
        elif found["date"]:
            yield from _dated(re.split(r"[./]", found["date"]), (0, 1), start, end)
        elif found["years"]:
            yield from _years(found["years"], start, end)
        else:
            yield Number(_values(found), start, end, room=_room(text, start))


def _in_words(text: str) -> Iterator[Number]:
    for start, end, value, idle in spelled(text):
        before = _BEFORE.search(text, max(0, start - 20), start)
        named = before is not None and before[1].lower() in _NAMED and value <= _MOST_NAMED
        asked = not (idle or named)
        yield Number(frozenset({str(value)}), start, end, asked, _room(text, start))


def _overlaps(one: Number, taken: Sequence[tuple[int, int]]) -> bool:
    return any(start < one.end and one.start < end for start, end in taken)


def _room(text: str, start: int) -> tuple[float, float] | None:
    before = _BEFORE.search(text, max(0, start - 20), start)
    return _ROOM.get(before[1].lower()) if before else None


def _dated(parts: Sequence[str], months: Sequence[int], start: int, end: int) -> Iterator[Number]:
    """Yield a date's numbers; where both could be the month, each is a day or a month."""
    months = [at for at in months if 1 <= int(parts[at]) <= _MONTH_OF["december"]]
    likely = {f"month:{int(parts[at])}" for at in months}
    days = {str(int(part)) for at, part in enumerate(parts) if at not in months}
    for value in days | ({str(int(parts[at])) for at in months} if len(months) > 1 else set()):
        yield Number(frozenset({value}), start, end, asked=len(months) == 1)
    if likely:
        yield Number(frozenset(likely), start, end)


def _years(found: str, start: int, end: int) -> Iterator[Number]:
    first, last = found[:4], found[-2:]
    yield Number(frozenset({first}), start, end)
    yield Number(frozenset({last, first[:2] + last, str(int(last))}), start, end)


def _values(found: re.Match[str]) -> frozenset[str]:
    if found["plain"] and _VERSION.fullmatch(found["plain"]):
        return frozenset({found["plain"]})
    if found["time"]:
        hour, minute = found["time"].split(":")
        return frozenset(_times(hour, minute, found["half"] or ""))
    readings = set(_readings(found["plain"]))
    if found["hour"]:
        return frozenset(_text(one) for one in readings | _later(readings, found["hour"]))
    if found["times"]:
        by = MULTIPLIERS[found["times"].lower()]
        return frozenset(_text(one * by) for one in readings)
    if found["letter"]:
        readings |= {one * _LETTERS[found["letter"].lower()] for one in readings}
    return frozenset(map(_text, readings))


def _later(hours: Iterable[Decimal], half: str) -> set[Decimal]:
    return {hour + 12 for hour in hours} if "p" in half.lower() else set()


def _times(hour: str, minute: str, half: str) -> Iterator[str]:
    """Yield a time of day in both ways to count hours; a full hour without its minutes too."""
    hours = {Decimal(hour)}
    for one in hours | _later(hours, half):
        yield f"{one}:{minute}"
        if minute == "00":
            yield str(one)


def _readings(digits: str) -> Iterator[Decimal]:
    """Yield what digits with points, commas or blanks between them may mean."""
    if re.search(r"[ '\u2019]", digits):
        parts = re.split(r"[ '\u2019]", digits)
        yield from (Decimal("".join(parts)), *map(Decimal, parts))
        return
    marks = re.findall(r"[.,]", digits)
    parts = re.split(r"[.,]", digits)
    if not marks:
        yield Decimal(digits)
    elif len(set(marks)) > 1:
        yield Decimal("".join(parts[:-1]) + "." + parts[-1])
    else:
        yield from _of_one_mark(parts)


def _of_one_mark(parts: Sequence[str]) -> Iterator[Decimal]:
    if all(len(part) == len("000") for part in parts[1:]) and len(parts[0]) <= len("000"):
        yield Decimal("".join(parts))
    if len(parts) == len(("whole", "tenths")):
        yield Decimal(".".join(parts))
    elif any(len(part) != len("000") for part in parts[1:]):
        # A list without blanks.
        yield from map(Decimal, parts)


def _text(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _float(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
