"""What is sent to Qdrant: in which pieces, and how filters are put."""

import json
import random
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from qdrant_client import models

from shared.settings import QdrantSettings
from shared.vectors.base import Point, SparseVector
from shared.vectors.build import build_vector_store
from shared.vectors.filters import parse_filters
from shared.vectors.qdrant import MAX_REQUEST_BYTES, QdrantVectorStore, packed
from shared.vectors.qdrant_filters import qdrant_condition


def point(dimensions: int, terms: int = 40) -> Point:
    chance = random.Random(dimensions)
    return Point(
        id=uuid4(),
        dense=[-chance.random() / 1e5 for _ in range(dimensions)],
        sparse=SparseVector(
            tuple(chance.sample(range(2**32), terms)),
            tuple(chance.random() for _ in range(terms)),
        ),
        payload={"tenant_id": "t", "filename": "ä" * 400, "attributes": {"a": "b" * 2000}},
    )


def put(filters: Mapping[str, Any]) -> Any:
    condition = qdrant_condition(parse_filters(filters))
    return json.loads(condition.model_dump_json(exclude_none=True))


@pytest.mark.parametrize("dimensions", [1, 384, 3072])
def test_no_request_is_longer_than_the_limit(dimensions: int) -> None:
    points = [point(dimensions) for _ in range(150)]
    packs = list(packed(points))
    assert [one.id for pack in packs for one in pack] == [str(one.id) for one in points]
    for pack in packs:
        body = models.PointsList(points=pack).model_dump_json(exclude_none=True)
        assert len(body.encode()) <= MAX_REQUEST_BYTES


def test_requests_are_as_long_as_the_limit_allows() -> None:
    points = [point(3072) for _ in range(150)]
    packs = list(packed(points))
    assert len(packs) <= 4


def test_a_point_without_terms_has_no_sparse_vector() -> None:
    [[sent]] = packed([point(2, terms=0)])
    assert isinstance(sent.vector, dict)
    assert set(sent.vector) == {"dense"}


def test_attributes_are_named_by_a_quoted_path() -> None:
    [test] = put({"my key.v1": "x"})["must"][0]["must"]
    assert test == {"key": 'attributes."my key.v1"', "match": {"value": "x"}}


def test_each_condition_has_its_form() -> None:
    wanted = {
        "year": {"gte": 2020, "lt": 2024},
        "created_at": {"gt": "2026-05-01"},
        "author": {"nin": ["a", "b"]},
        "any": [{"signed": True}, {"page": {"exists": True}}],
    }
    year, created, author, either = put(wanted)["must"]
    assert year["must"] == [{"key": 'attributes."year"', "range": {"gte": 2020.0, "lt": 2024.0}}]
    assert created["must"] == [{"key": "created_at", "range": {"gt": "2026-05-01T00:00:00Z"}}]
    assert author["must"] == [
        {"must_not": [{"key": 'attributes."author"', "match": {"any": ["a", "b"]}}]}
    ]
    signed, page = either["should"]
    assert signed["must"][0]["must"] == [{"key": 'attributes."signed"', "match": {"value": True}}]
    assert page["must"][0]["must"] == [{"must_not": [{"is_empty": {"key": "page"}}]}]


async def test_the_settings_store_is_qdrant() -> None:
    settings = QdrantSettings(url="http://127.0.0.1:1", api_key=SecretStr("k"), timeout_s=0.5)
    store = build_vector_store(settings)
    assert isinstance(store, QdrantVectorStore)
    await store.aclose()
