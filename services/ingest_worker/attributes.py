"""A document's attributes: what senders may put there, and the type each name gets in a collection.

Filters compare attributes with values, so a name has one type in a collection: that of its first
value, or the one the collection's `fields` gives it.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from shared.errors import InvalidInput
from shared.vectors.filters import RESERVED

FieldType = Literal["string", "number", "boolean"]
FIELD_TYPES: frozenset[str] = frozenset(get_args(FieldType))

MAX_ATTRIBUTES = 100
MAX_NAME_LENGTH = 100
MAX_DEPTH = 5
MAX_INTEGER = 2**63


def checked_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes fit to be stored.

    Raises:
        InvalidInput: too many, a built-in or overlong name, or a value that JSON or Postgres
            cannot hold.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidInput(f"attributes: at most {MAX_ATTRIBUTES} are kept.")
    for name, value in attributes.items():
        check_field_name(name)
        _check_value(name, value, depth=0)
    return dict(attributes)


def check_field_name(name: str) -> None:
    """Refuse a name that filters know themselves, or that is empty or too long.

    Raises:
        InvalidInput: it is one of those.
    """
    if name in RESERVED or '"' in name:
        raise InvalidInput(f"attributes: filters could not ask for `{name}`; rename it.")
    if not 0 < len(name) <= MAX_NAME_LENGTH or not _storable(name):
        raise InvalidInput(
            f"attributes: a name has 1 to {MAX_NAME_LENGTH} characters without NUL; got {name!r}."
        )


def field_types(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of each attribute that has one; objects, nulls and mixed lists have none."""
    found = {name: _type_of(value) for name, value in attributes.items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def check_types(attributes: Mapping[str, Any], fields: Mapping[str, str]) -> None:
    """Refuse a value whose type is not that of its name in the collection.

    Raises:
        InvalidInput: one is of another type; the detail names it.
    """
    for name, kind in field_types(attributes).items():
        expected = fields.get(name, kind)
        if kind != expected:
            raise InvalidInput(
                f"attributes.{name}: a {kind}, but it is a {expected} in this collection."
            )


def _type_of(value: Any) -> str | None:
    if isinstance(value, list):
        kinds = {_type_of(item) for item in value}
        return kinds.pop() if len(kinds) == 1 else None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else None


def _check_value(name: str, value: Any, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidInput(f"attributes.{name}: nested deeper than {MAX_DEPTH}.")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_value(name, key, depth=depth + 1)
            _check_value(name, inner, depth=depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_value(name, inner, depth=depth + 1)
    elif not _holds(value):
        raise InvalidInput(f"attributes.{name}: a value that cannot be stored.")


def _holds(value: Any) -> bool:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < MAX_INTEGER


def _storable(text: str) -> bool:
    """Tell whether Postgres takes a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
