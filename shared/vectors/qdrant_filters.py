"""Conditions of `filters` in Qdrant's form."""

from datetime import datetime
from typing import assert_never

from qdrant_client import models

from shared.vectors.filters import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Equals,
    Field,
    NoneOf,
    OneOf,
    Present,
)


def qdrant_condition(condition: Condition) -> models.Condition:
    """Translate one condition with all its parts."""
    match condition:
        case AllOf(parts):
            return models.Filter(must=[qdrant_condition(part) for part in parts])
        case AnyOf(parts):
            return models.Filter(should=[qdrant_condition(part) for part in parts])
        case NoneOf(parts):
            return models.Filter(must_not=[qdrant_condition(part) for part in parts])
        case _:
            return _field_condition(condition)


def attribute_key(name: str) -> str:
    """Return where an attribute's values lie, in Qdrant's syntax."""
    return _key(Field(("attributes", name)))


def _field_condition(condition: Equals | OneOf | Between | Present) -> models.Condition:
    key = _key(condition.field)
    match condition:
        case Equals(_, value):
            return models.FieldCondition(key=key, match=models.MatchValue(value=value))
        case OneOf(_, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
        case Between():
            return models.FieldCondition(key=key, range=_range(condition))
        case Present():
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
            return models.Filter(must_not=[empty])
        case _:
            assert_never(condition)


def _range(between: Between) -> models.Range | models.DatetimeRange:
    bounds = {"gt": between.gt, "gte": between.gte, "lt": between.lt, "lte": between.lte}
    if any(isinstance(bound, datetime) for bound in bounds.values()):
        return models.DatetimeRange.model_validate(bounds)
    return models.Range.model_validate(bounds)


def _key(field: Field) -> str:
    """Write a path in Qdrant's syntax, where quotes keep a name with dots or spaces together."""
    first, *rest = field.path
    return ".".join([first, *(f'"{name}"' for name in rest)])
