"""OpenAI's filters become ours, and what is none is told."""

from typing import Any

import pytest

from services.query_api.openai_compat.filters import our_filters
from shared.errors import InvalidInput
from shared.vectors.filters import parse_filters

YEAR = {"type": "gte", "key": "year", "value": 2020}
AUTHOR = {"type": "eq", "key": "author", "value": "Ann"}


@pytest.mark.parametrize(
    ("sent", "ours"),
    [
        (None, {}),
        (YEAR, {"year": {"gte": 2020}}),
        ({"type": "in", "key": "a", "value": ["x", "y"]}, {"a": {"in": ["x", "y"]}}),
        ({"type": "nin", "key": "a", "value": [1, 2]}, {"a": {"nin": [1, 2]}}),
        (
            {"type": "and", "filters": [YEAR, AUTHOR]},
            {"all": [{"year": {"gte": 2020}}, {"author": {"eq": "Ann"}}]},
        ),
        (
            {"type": "or", "filters": [{"type": "and", "filters": [YEAR]}, AUTHOR]},
            {"any": [{"all": [{"year": {"gte": 2020}}]}, {"author": {"eq": "Ann"}}]},
        ),
    ],
)
def test_a_filter_becomes_one_of_ours(sent: dict[str, Any] | None, ours: dict[str, Any]) -> None:
    assert our_filters(sent) == ours
    parse_filters(ours)


def nested(depth: int) -> dict[str, Any]:
    return YEAR if depth == 0 else {"type": "and", "filters": [nested(depth - 1)]}


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"year": 2020},
        {"type": "like", "key": "a", "value": "x"},
        {"type": ["and"], "filters": [YEAR]},
        {"type": "eq", "key": "a"},
        {"type": "eq", "key": 1, "value": "x"},
        {"type": "eq", "key": "any", "value": "x"},
        {"type": "eq", "key": "a", "value": "x", "more": 1},
        {"type": "and", "filters": []},
        {"type": "and", "filters": "x"},
        {"type": "and", "filters": ["x"]},
        {"type": "or", "filters": [YEAR], "key": "a"},
        nested(100),
    ],
)
def test_what_is_no_filter_is_told(sent: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"^filters: "):
        our_filters(sent)
