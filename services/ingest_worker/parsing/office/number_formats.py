"""Numbers as a sheet shows them: a number format's code and a value in, text out.

The codes are ISO/IEC 29500-1 section 18.8.30; xls has the same. Where a format leaves the look to
the reader's own country, dates are written as ISO 8601 and numbers with a point.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

from services.ingest_worker.parsing.office.date_formats import date_format, is_date

Shown = Callable[[float], str]

# Formats without a code in the file, by id (18.8.30). 14 and 22 follow the reader's country.
BUILTIN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd hh:mm",
    37: "#,##0 ;(#,##0)", 38: "#,##0 ;(#,##0)", 39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0",
}  # fmt: skip
# A value of a formula nobody rounded has 17 digits; a cell in General shows up to 11.
GENERAL_DIGITS = 11
KEPT_FORMATS = 1024
MAX_CODE_CHARS = 255

_TOKENS = re.compile(
    r"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | (?P<filled>[_*]). | \[\$(?P<currency>[^\]-]*)[^\]]*\]
    | (?P<bracket>\[[^\]]*\]) | (?P<general>General) | (?P<digit>[0#?]) | (?P<exponent>[eE][+-])
    | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SECTIONS = re.compile(r'((?:"[^"]*"?|\\.|[^;"\\])*)(?:;|$)', re.DOTALL)
# What most columns of numbers have: grouped or not, some decimals, perhaps a percent sign.
_PLAIN = re.compile(r"(#,##)?0(?:\.(0{1,12}))?(%)?")
# A sheet rounds 2.675, as it is written, up: the float of that name is a little smaller.
_NUDGE = 1 + 4e-16
_NUMBERED = frozenset(("digit", "exponent"))


@dataclass(frozen=True, slots=True)
class _Token:
    """A literal, or a mark with a meaning: `kind` is "" for the first."""

    kind: str
    text: str


def general(value: float) -> str:
    """Return a number as an unformatted cell shows it.

    >>> general(0.1 + 0.2), general(3.0), general(1e21)
    ('0.3', '3', '1E+21')
    """
    return f"{value:.{GENERAL_DIGITS}g}".upper()


@lru_cache(KEPT_FORMATS)
def number_format(code: str, epoch_1904: bool = False) -> Shown | None:  # noqa: FBT001, FBT002
    """Return what shows numbers by a code; None when that is `general`.

    >>> number_format("0.0%")(0.256), number_format("#,##0;(#,##0)")(-1234)
    ('25.6%', '(1,234)')
    """
    sections = [found[1] for found in _SECTIONS.finditer(code[:MAX_CODE_CHARS])][:3]
    shown = [_section(one, epoch_1904=epoch_1904) for one in sections if one] or [None]
    if shown == [None]:
        return None
    if len(shown) == 1:
        return _signed(shown[0] or general, dates=is_date(_marks(sections[0])))
    return _chosen([one or general for one in shown])


def _signed(shown: Shown, *, dates: bool) -> Shown:
    if dates:
        return shown
    return lambda value: f"-{shown(-value)}" if value < 0 else shown(value)


def _chosen(shown: list[Shown]) -> Shown:
    """Return the choice between sections: positive, negative, zero."""
    zero = shown[2] if len(shown) > 2 else shown[0]  # noqa: PLR2004 - the third of three

    def show(value: float) -> str:
        if value == 0:
            return zero(value)
        return shown[0](value) if value > 0 else shown[1](-value)

    return show


def _section(code: str, *, epoch_1904: bool) -> Shown | None:
    """Return what shows a positive number by one section; None for General."""
    if plain := _PLAIN.fullmatch(code):
        return _plain(plain)
    marks = _marks(code)
    if is_date(marks):
        return date_format(marks, epoch_1904=epoch_1904)
    tokens = [_Token("", "") if one.kind == "bracket" else one for one in map(_token, marks)]
    kinds = {one.kind for one in tokens}
    if "general" in kinds or (not kinds & _NUMBERED and any(one.text == "@" for one in tokens)):
        return None
    if any(one.text == "/" and one.kind == "other" for one in tokens):
        return lambda value: _fraction(tokens, value)
    return lambda value: _number(tokens, value)


def _plain(found: re.Match[str]) -> Shown:
    kind = "%" if found[3] else "f"
    look = f"{{:{',' if found[1] else ''}.{len(found[2] or '')}{kind}}}".format
    return lambda value: look(value * _NUDGE)


def _marks(code: str) -> list[tuple[str, str]]:
    """Cut a section's code into (kind, text)."""
    found = _TOKENS.finditer(code)
    return [(one.lastgroup or "", one.group(one.lastgroup or 0) or "") for one in found]


def _token(mark: tuple[str, str]) -> _Token:
    kind, text = mark
    if kind in {"quoted", "escaped", "currency"}:
        return _Token("", text)
    if kind == "filled":
        return _Token("", " " if text == "_" else "")
    if kind == "other" and text not in ".,%/@":
        return _Token("", text)
    return _Token(kind, text)


def _number(tokens: list[_Token], value: float) -> str:
    body = [at for at, one in enumerate(tokens) if one.kind == "digit"]
    if not body:
        return "".join(one.text for one in tokens).strip()
    first, last = body[0], body[-1]
    pattern = tokens[first : last + 1]
    after = tokens[last + 1 :]
    scaled = Decimal(repr(float(value))).scaleb(2 * sum(one.text == "%" for one in tokens))
    while after and after[0].text == ",":
        scaled, after = scaled.scaleb(-3), after[1:]
    ends = "".join(one.text for one in tokens[:first]), "".join(one.text for one in after)
    return f"{ends[0]}{_digits(pattern, scaled)}{ends[1]}".strip()


def _digits(pattern: list[_Token], value: Decimal) -> str:
    at = next((n for n, one in enumerate(pattern) if one.kind == "exponent"), None)
    if at is not None:
        return _scientific(pattern[:at], value, len(pattern) - at - 1)
    point = next((n for n, one in enumerate(pattern) if one.text == "."), len(pattern))
    places = [one.text for one in pattern[point:] if one.kind == "digit"]
    # Beyond a float's digits there is nothing to show.
    unit = Decimal(1).scaleb(-min(len(places), 30))
    whole, _, parts = f"{_rounded(value, unit):f}".partition(".")
    needed = max((n for n, place in enumerate(places, 1) if place == "0"), default=0)
    kept = parts.rstrip("0").ljust(min(needed, len(parts)), "0")
    return f"{_whole(pattern[:point], whole)}{'.' if kept else ''}{kept}"


def _rounded(value: Decimal, unit: Decimal) -> Decimal:
    try:
        return value.quantize(unit, ROUND_HALF_UP)
    except ArithmeticError:  # More digits than a decimal keeps.
        return value


def _whole(pattern: list[_Token], digits: str) -> str:
    """Fill the digits of a whole number into its places, from the right."""
    places = [one for one in pattern if one.kind == "digit"]
    digits = "" if digits == "0" and all(one.text != "0" for one in places) else digits
    if any(one.text == "," for one in pattern) and digits:
        return f"{int(digits):,}"
    filled: list[str] = []
    for one in reversed(pattern):
        if one.kind != "digit":
            filled.append(one.text)
            continue
        places.pop()
        taken = digits if not places else digits[-1:]
        digits = digits[: len(digits) - len(taken)]
        filled.append(taken or ("0" if one.text == "0" else ""))
    return "".join(reversed(filled))


def _scientific(pattern: list[_Token], value: Decimal, width: int) -> str:
    point = next((n for n, one in enumerate(pattern) if one.text == "."), len(pattern))
    shown = f"{value:.{sum(one.kind == 'digit' for one in pattern[point:])}E}"
    digits, _, exponent = shown.partition("E")
    return f"{digits}E{exponent[0]}{exponent[1:].rjust(width, '0')}"


def _fraction(tokens: list[_Token], value: float) -> str:
    """Show a whole number and a fraction with as large a divisor as there are places for it."""
    at = next(n for n, one in enumerate(tokens) if one.text == "/" and one.kind == "other")
    places = "".join(one.text for one in tokens[at + 1 :]).strip()
    if places.isdecimal() and int(places):
        found = Fraction(round(value * int(places)), 1), int(places)
    else:
        near = Fraction(value).limit_denominator(10 ** min(len(places) or 1, 5) - 1)
        found = Fraction(near.numerator), near.denominator
    over, under = int(found[0]), found[1]
    mixed = " " in "".join(one.text for one in tokens[:at]).strip()
    whole, over = divmod(over, under) if mixed else (0, over)
    return " ".join(filter(None, (str(whole or ""), f"{over}/{under}" if over else ""))) or "0"
