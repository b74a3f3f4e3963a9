"""Filters in Qdrant's JSON form, on the real engine."""

from operator import methodcaller
from typing import Any

import pytest

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.conditions import build_filter
from citewell.embedded.qdrant.points import build_upsert
from citewell.embedded.qdrant.queries import build_scroll
from citewell.embedded.qdrant.refusals import BadInput
from tests.support.qdrant import COLLECTION

ROWS: dict[int, dict[str, Any]] = {
    1: {"word": "red apple", "n": 1, "ok": True, "at": "2026-01-01T00:00:00Z", "many": [1, 2, 3]},
    2: {"word": "blue", "n": 2, "ok": False, "at": "2026-02-01T00:00:00Z", "many": []},
    3: {"word": "blue", "n": 2.5, "none": None, "parts": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]},
}
UUID_OF_4 = "00000000-0000-0000-0000-000000000004"

CASES: list[tuple[object, set[int | str]]] = [
    ({}, {1, 2, 3, UUID_OF_4}),
    ({"must": []}, {1, 2, 3, UUID_OF_4}),
    ({"must": [{"key": "word", "match": {"value": "blue"}}]}, {2, 3}),
    ({"must": {"key": "word", "match": {"value": "blue"}}}, {2, 3}),
    ({"must": [{"key": "n", "match": {"value": 2}}]}, {2}),
    ({"must": [{"key": "ok", "match": {"value": True}}]}, {1}),
    ({"must": [{"key": "ok", "match": {"value": False}}]}, {2}),
    ({"must": [{"key": "word", "match": {"any": ["blue", "green"]}}]}, {2, 3}),
    ({"must": [{"key": "many", "match": {"any": [3, 4]}}]}, {1}),
    ({"must": [{"key": "word", "match": {"any": []}}]}, set()),
    ({"must": [{"key": "word", "match": {"except": ["blue"]}}]}, {1}),
    ({"must": [{"key": "word", "match": {"text": "apple"}}]}, {1}),
    ({"must": [{"key": "n", "range": {"gt": 1, "lte": 2.5}}]}, {2, 3}),
    ({"must": [{"key": "at", "range": {"gte": "2026-01-15T00:00:00Z"}}]}, {2}),
    ({"must": [{"key": "many", "values_count": {"gte": 3}}]}, {1}),
    ({"must": [{"key": "n", "is_empty": True}]}, {UUID_OF_4}),
    ({"must": [{"is_empty": {"key": "many"}}]}, {2, 3, UUID_OF_4}),
    ({"must": [{"is_null": {"key": "none"}}]}, {3}),
    ({"must": [{"has_id": [1, UUID_OF_4, 99]}]}, {1, UUID_OF_4}),
    ({"must": [{"has_id": []}]}, set()),
    ({"must": [{"has_vector": "terms"}]}, set()),
    ({"must_not": [{"key": "word", "match": {"value": "blue"}}]}, {1, UUID_OF_4}),
    (
        {
            "should": [
                {"key": "n", "match": {"value": 1}},
                {"must": [{"key": "n", "range": {"gte": 2.5}}]},
            ]
        },
        {1, 3},
    ),
    (
        {
            "min_should": {
                "min_count": 2,
                "conditions": [
                    {"key": "word", "match": {"value": "blue"}},
                    {"key": "ok", "match": {"value": False}},
                ],
            }
        },
        {2},
    ),
    ({"must": [{"nested": {"key": "parts", "filter": {"must": [
        {"key": "k", "match": {"value": "a"}}, {"key": "v", "match": {"value": 1}}]}}}]}, {3}),
    ({"must": [{"nested": {"key": "parts", "filter": {"must": [
        {"key": "k", "match": {"value": "a"}}, {"key": "v", "match": {"value": 2}}]}}}]}, set()),
]  # fmt: skip
WRONG: list[object] = [
    [],
    {"mast": []},
    {"must": ["x"]},
    {"must": [{"key": "n"}]},
    {"must": [{"key": 1, "match": {"value": 1}}]},
    {"must": [{"key": "n", "match": {}}]},
    {"must": [{"key": "n", "match": {"value": 1, "any": [1]}}]},
    {"must": [{"key": "n", "match": {"prefix": "a"}}]},
    {"must": [{"key": "n", "match": {"any": "x"}}]},
    {"must": [{"key": "n", "match": {"any": ["x", 1]}}]},
    {"must": [{"key": "n", "match": {"any": [True]}}]},
    {"must": [{"key": "n", "range": {"gte": True}}]},
    {"must": [{"key": "n", "range": {"from": 1}}]},
    {"must": [{"key": "n", "geo_radius": {}}]},
    {"must": [{"key": "n", "values_count": []}]},
    {"must": [{"nested": {"key": "parts"}}]},
    {"must": [{"has_id": 1}]},
    {"min_should": {"min_count": 1}},
]


@pytest.fixture
def points(catalogue: Catalogue) -> Catalogue:
    catalogue.create("one", COLLECTION)
    rows = [{"id": n, "vector": {"dense": [1, n]}, "payload": row} for n, row in ROWS.items()]
    rows.append({"id": UUID_OF_4, "vector": {"dense": [0, 1]}, "payload": {}})
    catalogue.get("one").shard.write(build_upsert({"points": rows})[0])
    return catalogue


def test_filters_leave_what_matches(points: Catalogue) -> None:
    for raw, left in CASES:
        request = build_scroll({"filter": raw, "limit": 100})
        records, _ = points.get("one").shard.read(methodcaller("scroll", request))
        ids = {one.id if isinstance(one.id, int) else str(one.id) for one in records}
        assert ids == left, raw


def test_an_absent_filter_is_none() -> None:
    assert build_filter(None) is None


@pytest.mark.parametrize("raw", WRONG, ids=str)
def test_wrong_filters_are_refused(raw: object) -> None:
    with pytest.raises(BadInput):
        build_filter(raw)


def test_filters_nested_without_end_are_refused() -> None:
    raw: dict[str, Any] = {"must": [{"key": "n", "match": {"value": 1}}]}
    for _ in range(1000):
        raw = {"must": [raw]}
    with pytest.raises(BadInput, match="deeply"):
        build_filter(raw)
