"""Dates and times of a sheet: a serial number and the marks of a format's code in, text out."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

Mark = tuple[str, str]

_DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates know no zone
_EPOCH_1904 = dt.datetime(1904, 1, 1)  # noqa: DTZ001
# The format keeps a 29 February 1900 that never was: serials before it are a day off.
_FALSE_LEAP_DAY = 60
MAX_SERIAL = 2_958_466
KEPT_DATES = 4096
_LETTERS = "ymdhsYMDHS"
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_RUNS = re.compile(r"AM/PM|A/P|([ymdhs])\1*|\.0+|.", re.IGNORECASE | re.DOTALL)
_NAMES = {
    "yyyy": "%Y", "yyy": "%Y", "yy": "%y", "y": "%y", "mmmm": "%B", "mmm": "%b", "mm": "%m",
    "dddd": "%A", "ddd": "%a", "dd": "%d", "hh": "%H", "ss": "%S",
}  # fmt: skip


def is_date(marks: Sequence[Mark]) -> bool:
    """Tell whether a section's marks are those of a date or a time."""
    return any(
        (kind == "other" and text in _LETTERS) or _ELAPSED.fullmatch(text) for kind, text in marks
    )


def date_format(marks: Sequence[Mark], *, epoch_1904: bool = False) -> Callable[[float], str]:
    """Return what shows a serial number: days since 1900, or since 1904.

    A column of dates repeats itself: what was shown is kept.
    """
    fields = list(_fields(marks))
    unit = 1_000 if any(one.startswith(".0") for _, one in fields) else 1
    half = any(one.upper() in {"AM/PM", "A/P"} for _, one in fields)

    @lru_cache(KEPT_DATES)
    def show(serial: float) -> str:
        if not 0 <= serial < MAX_SERIAL:
            return f"{serial:.11g}"
        seconds = round(serial * 86_400 * unit) / unit
        moment = _moment(seconds, epoch_1904=epoch_1904)
        return "".join(_shown(fields, at, moment, seconds, half=half) for at in range(len(fields)))

    return show


def _moment(seconds: float, *, epoch_1904: bool) -> dt.datetime:
    if epoch_1904:
        return _EPOCH_1904 + dt.timedelta(seconds=seconds)
    early = _DAY if seconds < _FALSE_LEAP_DAY * 86_400 else dt.timedelta()
    return _EPOCH + early + dt.timedelta(seconds=seconds)


def _fields(marks: Sequence[Mark]) -> Iterator[Mark]:
    """Yield literals as ("", text), fields as ("field", code)."""
    plain = ""
    for kind, text in (*marks, ("", "")):
        if kind in {"other", "digit"}:
            plain += text
            continue
        for found in _RUNS.finditer(plain):
            field = found[1] or found[0][:2] == ".0" or len(found[0]) > 1
            yield ("field" if field else "", found[0])
        plain = ""
        if kind == "bracket":
            yield ("elapsed", text) if _ELAPSED.fullmatch(text) else ("", "")
        elif kind != "filled":
            yield "", text


def _shown(
    fields: Sequence[Mark], at: int, moment: dt.datetime, seconds: float, *, half: bool
) -> str:
    kind, text = fields[at]
    code = text.lower()
    if kind == "":
        return text
    if kind == "elapsed":
        span = {"h": 3600, "m": 60, "s": 1}[code[1]]
        return str(int(seconds // span)).rjust(len(code) - 2, "0")
    if code[0] == "m" and _minutes(fields, at):
        return f"{moment.minute:0{min(len(code), 2)}}"
    if code[0] == "h" and half:
        return f"{moment.hour % 12 or 12:0{min(len(code), 2)}}"
    return _field(code, moment)


def _field(code: str, moment: dt.datetime) -> str:
    if code in {"am/pm", "a/p"}:
        return ("AM" if moment.hour < 12 else "PM")[: 2 if code == "am/pm" else 1]  # noqa: PLR2004
    if code.startswith(".0"):
        return f"{moment.microsecond / 1e6:.{len(code) - 1}f}"[1:]
    if code == "mmmmm":
        return f"{moment:%B}"[0]
    if code in {"m", "d", "h", "s"}:
        return str({"m": moment.month, "d": moment.day, "h": moment.hour, "s": moment.second}[code])
    name = _NAMES.get(code) or {"y": "%Y", "m": "%B", "d": "%A", "h": "%H", "s": "%S"}[code[0]]
    return moment.strftime(name)


def _minutes(fields: Sequence[Mark], at: int) -> bool:
    """Tell a minute from a month: it follows hours, or seconds follow it."""
    codes = [(kind, text.lower().strip("[]")) for kind, text in fields]
    before = [text for kind, text in codes[:at] if kind and text[0] in "ymdhs"]
    after = [text for kind, text in codes[at + 1 :] if kind and text[0] in "ymdhs"]
    return bool((before and before[-1][0] == "h") or (after and after[0][0] == "s"))
