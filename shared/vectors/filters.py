"""Filters: the wire form in, a tree of conditions out, which each store reads in its own way.

`{"author": "x"}`, `{"year": {"gte": 2020}}` with the operators eq ne gt gte lt lte in nin exists,
`{"any": [...]}`, `{"all": [...]}`, `{"not": {...}}`; several keys of an object must all hold. A
list matches if one of its elements does. What lacks a field matches `ne`, `nin` and `not`.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.errors import InvalidInput

_DEEPEST = 8
_MOST_CONDITIONS = 500
_EXACT = 2**53  # from here on floats, which ranges compare, do not tell all integers apart
_LARGEST = 2**63  # Qdrant's integers
_BOUNDS = ("gt", "gte", "lt", "lte")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAME = re.compile(r'[^"\x00-\x1f\ud800-\udfff]{1,255}')


class ValueKind(StrEnum):
    """What a field's values are compared as."""

    ANY = "a string, number or boolean"
    ID = "a UUID"
    TEXT = "a string"
    NUMBER = "a number"
    TIME = "an ISO 8601 date or time"
    STRING = "a string, and ordered as an ISO 8601 date or time"
    BOOLEAN = "true or false"


@dataclass(frozen=True, slots=True)
class Field:
    """Where in a payload a condition looks."""

    path: tuple[str, ...]
    kind: ValueKind = ValueKind.ANY


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is this very one, of this very type."""

    field: Field
    value: str | bool | int


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of these strings."""

    field: Field
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The value is a number, or a time, within these bounds; None is no bound."""

    field: Field
    gt: float | datetime | None = None
    gte: float | datetime | None = None
    lt: float | datetime | None = None
    lte: float | datetime | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """There is a value: the field is not missing, null or an empty list."""

    field: Field


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """No part holds."""

    parts: tuple["Condition", ...]


Condition = Equals | OneOf | Between | Present | AllOf | AnyOf | NoneOf

BUILT_IN = {
    "document_id": Field(("document_id",), ValueKind.ID),
    "filename": Field(("filename",), ValueKind.TEXT),
    "media_type": Field(("media_type",), ValueKind.TEXT),
    "page": Field(("page",), ValueKind.NUMBER),
    "created_at": Field(("created_at",), ValueKind.TIME),
}
# What a collection knows of its attributes, by the name of the type on the wire.
KINDS = {
    "string": ValueKind.STRING,
    "number": ValueKind.NUMBER,
    "boolean": ValueKind.BOOLEAN,
}
# An attribute of such a name could not be asked for; it is refused when a document is sent.
RESERVED = frozenset({*BUILT_IN, "any", "all", "not"})


def parse_filters(filters: Mapping[str, Any], types: Mapping[str, str] | None = None) -> AllOf:
    """Read filters of the wire form; empty ones match everything.

    `types` are those a collection knows of its attributes: a value that could never match is then
    refused. Attributes it does not name may be compared with anything.

    Raises:
        InvalidInput: the detail names what is wrong and what is expected there.

    Example:
        `parse_filters({"author": "Ann", "year": {"gte": 2020}})`
    """
    return _Reader(types or {}).read(filters, 0)


def parse_time(text: str) -> datetime | None:
    """Read an ISO 8601 date or time, in UTC where it names no zone; None for any other text."""
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no such day, or none of the years 1 to 9999 in UTC
        return None


class _Reader:
    """Reads one tree and counts its conditions."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self._left = _MOST_CONDITIONS

    def read(self, filters: object, depth: int) -> AllOf:
        if not isinstance(filters, Mapping):
            raise InvalidInput(f"filters: expected an object, not {_shown(filters)}.")
        if depth > _DEEPEST:
            raise InvalidInput(f"filters: nested deeper than {_DEEPEST} levels.")
        return AllOf(tuple(self._clause(key, value, depth) for key, value in filters.items()))

    def _clause(self, key: str, value: object, depth: int) -> Condition:
        if key == "not":
            return NoneOf((self.read(value, depth + 1),))
        if key in ("any", "all"):
            if not isinstance(value, list) or not value:
                raise InvalidInput(f"filters: `{key}` needs a list of one or more filters.")
            parts = tuple(self.read(part, depth + 1) for part in value)
            return AnyOf(parts) if key == "any" else AllOf(parts)
        tests = value if isinstance(value, Mapping) else {"eq": value}
        return self._tests(_field(key, self._types), tests)

    def _tests(self, field: Field, tests: Mapping[str, Any]) -> AllOf:
        bounds = {name: tests[name] for name in _BOUNDS if name in tests}
        others = {name: value for name, value in tests.items() if name not in bounds}
        parts = [self._test(field, name, value) for name, value in others.items()]
        if bounds:
            # One condition, so that one element of a list must lie within all the bounds.
            parts.append(_between(field, bounds))
        self._spend(len(parts))
        if not parts:
            raise InvalidInput(f"filters: `{field.path[-1]}` has no operator.")
        return AllOf(tuple(parts))

    def _test(self, field: Field, operator: str, value: object) -> Condition:
        reader = _OPERATORS.get(operator)
        if reader is None:
            known = ", ".join([*_OPERATORS, *_BOUNDS])
            raise InvalidInput(
                f"filters: `{field.path[-1]}` has the unknown operator `{operator}`; use {known}."
            )
        if isinstance(value, list):
            self._spend(len(value))
        return reader(field, value)

    def _spend(self, conditions: int) -> None:
        self._left -= conditions
        if self._left < 0:
            raise InvalidInput(f"filters: more than {_MOST_CONDITIONS} conditions.")


def _field(key: str, types: Mapping[str, str]) -> Field:
    if key in BUILT_IN:
        return BUILT_IN[key]
    if not _NAME.fullmatch(key):
        raise InvalidInput(
            f"filters: {_shown(key)} cannot name an attribute: 1 to 255 characters, no quotes."
        )
    return Field(("attributes", key), KINDS.get(types.get(key, ""), ValueKind.ANY))


def _equals(field: Field, value: object) -> Condition:
    scalar = _scalar(field, value)
    if isinstance(scalar, str | bool):
        return Equals(field, scalar)
    # Ranges compare 2020 and 2020.0 as equal, and the store matches no fractions otherwise.
    if isinstance(scalar, int) and abs(scalar) >= _EXACT:
        return Equals(field, scalar)
    return Between(field, gte=scalar, lte=scalar)


def _one_of(field: Field, value: object) -> Condition:
    if not isinstance(value, list) or not value:
        raise InvalidInput(
            f"filters: `in` and `nin` of `{field.path[-1]}` need a list of one or more values."
        )
    alternatives = [_equals(field, one) for one in value]
    texts = [one.value for one in alternatives if isinstance(one, Equals)]
    strings = tuple(text for text in texts if isinstance(text, str))
    if len(strings) == len(value):
        return OneOf(field, strings)
    return AnyOf(tuple(alternatives))


def _exists(field: Field, value: object) -> Condition:
    if not isinstance(value, bool):
        raise InvalidInput(f"filters: `exists` of `{field.path[-1]}` is true or false.")
    present = Present(field)
    return present if value else NoneOf((present,))


def _between(field: Field, bounds: Mapping[str, object]) -> Between:
    read = {name: _bound(field, name, value) for name, value in bounds.items()}
    if len({isinstance(bound, datetime) for bound in read.values()}) > 1:
        raise InvalidInput(f"filters: `{field.path[-1]}` has bounds of two types.")
    return Between(field, **read)


def _bound(field: Field, operator: str, value: object) -> float | datetime:
    if field.kind in _UNORDERED:
        raise InvalidInput(f"filters: `{field.path[-1]}` has no order, so no `{operator}`.")
    if field.kind is ValueKind.STRING or (field.kind is ValueKind.ANY and isinstance(value, str)):
        return _moment(field, operator, value)
    scalar = _scalar(field, value)
    if isinstance(scalar, str | bool):
        raise InvalidInput(f"filters: `{operator}` of `{field.path[-1]}` needs a number.")
    return scalar


def _moment(field: Field, operator: str, value: object) -> datetime:
    moment = _time(value)
    if moment is None:
        number = "a number or " if field.kind is ValueKind.ANY else ""
        raise InvalidInput(
            f"filters: `{operator}` of `{field.path[-1]}` needs {number}{ValueKind.TIME},"
            f" not {_shown(value)}."
        )
    return moment


def _scalar(field: Field, value: object) -> str | bool | float | datetime:
    read = _READERS[field.kind](value)
    if read is None:
        raise InvalidInput(
            f"filters: `{field.path[-1]}` is compared with {field.kind}, not {_shown(value)}."
        )
    return read


def _any(value: object) -> str | bool | float | None:
    if isinstance(value, bool):
        return value
    return _text(value) if isinstance(value, str) else _number(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else None
    return value if math.isfinite(value) else None


def _text(value: object) -> str | None:
    # Half a surrogate pair can come in JSON, but not be sent on in UTF-8.
    return value if isinstance(value, str) and not _SURROGATE.search(value) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _id(value: object) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: object) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a message


_READERS: Mapping[ValueKind, Callable[[object], str | bool | float | datetime | None]] = {
    ValueKind.ANY: _any,
    ValueKind.ID: _id,
    ValueKind.TEXT: _text,
    ValueKind.NUMBER: _number,
    ValueKind.TIME: _time,
    ValueKind.STRING: _text,
    ValueKind.BOOLEAN: _boolean,
}
_UNORDERED = frozenset({ValueKind.ID, ValueKind.TEXT, ValueKind.BOOLEAN})
_OPERATORS: Mapping[str, Callable[[Field, object], Condition]] = {
    "eq": _equals,
    "ne": lambda field, value: NoneOf((_equals(field, value),)),
    "in": _one_of,
    "nin": lambda field, value: NoneOf((_one_of(field, value),)),
    "exists": _exists,
}
