"""Filters: Qdrant's JSON form in, the engine's condition objects out."""

from collections.abc import Callable, Mapping
from typing import Any

import qdrant_edge as edge

from citewell.embedded.qdrant.bodies import Object, as_count, as_list, as_object, as_text, only
from citewell.embedded.qdrant.refusals import BadInput

_DEEPEST = 32  # nesting beyond this is refused before Python's own recursion limit is near
_CLAUSES = ("must", "should", "must_not")
_BOUNDS = ("gt", "gte", "lt", "lte")
_POINT_CONDITIONS: Mapping[str, Callable[[object], Any]] = {
    "has_id": lambda raw: edge.HasIdCondition(set(as_list(raw, "has_id"))),
    "has_vector": lambda raw: edge.HasVectorCondition(as_text(raw, "has_vector")),
    "is_empty": lambda raw: edge.IsEmptyCondition(_key(as_object(raw, "is_empty"))),
    "is_null": lambda raw: edge.IsNullCondition(_key(as_object(raw, "is_null"))),
}


class _Truth:
    """A boolean the engine takes as one.

    PyO3 tries int before bool, and a Python bool is an int, so `MatchValue(True)` would look for
    the number 1. The one other type it accepts as bool is numpy's, which it knows by name.
    """

    def __init__(self, value: object) -> None:
        self._value = bool(value)

    def __bool__(self) -> bool:
        return self._value


_Truth.__module__, _Truth.__name__ = "numpy", "bool"


def build_filter(raw: object, depth: int = 0) -> edge.Filter | None:
    """Build a filter; None for an absent one.

    Raises:
        BadInput: a condition has another form than Qdrant's, or one the server does not speak.
    """
    if raw is None:
        return None
    if depth > _DEEPEST:
        raise BadInput("filter: nested too deeply")
    body = as_object(raw, "filter")
    only(body, {*_CLAUSES, "min_should"}, "filter")
    clauses = {name: _conditions(body.get(name), depth) for name in _CLAUSES}
    return edge.Filter(**clauses, min_should=_min_should(body.get("min_should"), depth))


def build_selection(raw: Object) -> edge.Filter:
    """Build the filter of a request that must have one or name its points."""
    selected = build_filter(raw.get("filter"))
    if selected is None:
        raise BadInput("either `points` or `filter` must be given")
    return selected


def _conditions(raw: object, depth: int) -> list[Any] | None:
    if raw is None:
        return None
    rows = raw if isinstance(raw, list) else [raw]
    return [_condition(as_object(row, "condition"), depth + 1) for row in rows]


def _min_should(raw: object, depth: int) -> edge.MinShould | None:
    if raw is None:
        return None
    body = as_object(raw, "min_should")
    return edge.MinShould(
        _conditions(as_list(body.get("conditions"), "min_should.conditions"), depth) or [],
        as_count(body.get("min_count"), "min_should.min_count", default=0),
    )


def _condition(raw: Object, depth: int) -> Any:
    if "key" in raw:
        return _field(raw)
    if "nested" in raw:
        return _nested(as_object(raw["nested"], "nested"), depth)
    for name, build in _POINT_CONDITIONS.items():
        if name in raw:
            return build(raw[name])
    return build_filter(raw, depth)


def _key(raw: Object) -> str:
    return as_text(raw.get("key"), "key")


def _nested(raw: Object, depth: int) -> edge.NestedCondition:
    inner = build_filter(raw.get("filter"), depth)
    if inner is None:
        raise BadInput("nested: `filter` is missing")
    return edge.NestedCondition(_key(raw), inner)


def _field(raw: Object) -> edge.FieldCondition:
    only(raw, {"key", "match", "range", "values_count", "is_empty", "is_null"}, "condition")
    tests = {name: raw[name] for name in raw if name != "key" and raw[name] is not None}
    if not tests:
        raise BadInput(f"condition on `{raw['key']}`: at least one test must be given")
    if "match" in tests:
        tests["match"] = _match(as_object(tests["match"], "match"))
    if "range" in tests:
        tests["range"] = _range(as_object(tests["range"], "range"))
    if "values_count" in tests:
        tests["values_count"] = _values_count(as_object(tests["values_count"], "values_count"))
    return edge.FieldCondition(_key(raw), **tests)


def _match(raw: Object) -> Any:
    only(raw, {"value", "any", "except", "text", "text_any", "phrase"}, "match")
    if len(raw) != 1:
        raise BadInput("match: expected exactly one of `value`, `any`, `except` and the text forms")
    [(form, wanted)] = raw.items()
    if form == "value":
        return edge.MatchValue(_Truth(wanted) if isinstance(wanted, bool) else wanted)  # type: ignore[arg-type]
    if form == "any":
        return edge.MatchAny(_alternatives(wanted, form))
    if form == "except":
        return edge.MatchExcept(_alternatives(wanted, form))
    text = {"text": edge.MatchText, "text_any": edge.MatchTextAny, "phrase": edge.MatchPhrase}
    return text[form](as_text(wanted, f"match.{form}"))


def _alternatives(raw: object, form: str) -> list[Any]:
    values = as_list(raw, f"match.{form}")
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= {str, int}:
        raise BadInput(f"match.{form}: expected strings only or integers only")
    return values


def _range(raw: Object) -> edge.RangeFloat | edge.RangeDateTime:
    only(raw, _BOUNDS, "range")
    bounds = {name: raw.get(name) for name in _BOUNDS}
    given = [value for value in bounds.values() if value is not None]
    if any(isinstance(value, bool) for value in given):
        raise BadInput("range: expected numbers or date-times")
    if given and all(isinstance(value, str) for value in given):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**bounds)


def _values_count(raw: Object) -> edge.ValuesCount:
    only(raw, _BOUNDS, "values_count")
    return edge.ValuesCount(**{name: raw.get(name) for name in _BOUNDS})
