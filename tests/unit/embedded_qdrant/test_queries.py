"""Searches in Qdrant's JSON form, on the real engine."""

from typing import Any

import pytest
import qdrant_edge as edge

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.points import build_upsert, scored_answer
from citewell.embedded.qdrant.queries import build_query, build_with_payload, build_with_vector
from citewell.embedded.qdrant.refusals import BadInput

TERMS = {"indices": [1, 2], "values": [1.0, 1.0]}


@pytest.fixture
def points(filled: Catalogue) -> Catalogue:
    rows = [
        {"id": 10, "vector": {"dense": [1, 0], "terms": {"indices": [1], "values": [1]}}},
        {"id": 11, "vector": {"dense": [-1, 0], "terms": {"indices": [1, 2], "values": [1, 1]}}},
    ]
    filled.get("one").shard.write(build_upsert({"points": rows})[0])
    return filled


def ask(catalogue: Catalogue, **body: Any) -> list[dict[str, Any]]:
    batch = edge.QueryBatchRequest([build_query(body)])
    [found] = catalogue.get("one").shard.read(lambda shard: shard.query_batch(batch))
    return [scored_answer(point) for point in found]


def test_a_vector_may_come_bare_or_as_nearest(points: Catalogue) -> None:
    for query in ([1.0, 0.0], {"nearest": [1.0, 0.0]}):
        assert ask(points, query=query, using="dense", limit=1)[0]["id"] == 10


def test_a_sparse_vector_may_come_bare_or_as_nearest(points: Catalogue) -> None:
    for query in (TERMS, {"nearest": TERMS}):
        assert [one["id"] for one in ask(points, query=query, using="terms")] == [11, 10]


def test_filter_threshold_offset_and_limit_count(points: Catalogue) -> None:
    asked = {"query": [1.0, 0.0], "using": "dense"}
    wanted = {"must": [{"key": "n", "range": {"lte": 3}}]}
    assert [one["id"] for one in ask(points, **asked, filter=wanted, offset=1, limit=1)] == [2]
    assert [one["id"] for one in ask(points, **asked, score_threshold=0.99)] == [10]
    assert len(ask(points, **asked)) == 7
    assert ask(points, **asked, limit=0) == []


def test_payload_and_vectors_come_when_asked_for(points: Catalogue) -> None:
    wanted = {"must": [{"has_id": [1]}]}
    asked = {"query": [1.0, 0.0], "using": "dense", "filter": wanted}
    assert ask(points, **asked)[0]["payload"] is None
    [found] = ask(points, **asked, with_payload=True, with_vector=["dense"])
    assert found["payload"] == {"n": 1, "even": False}
    assert found["vector"]["dense"] == pytest.approx([0.5**0.5, 0.5**0.5])
    for some in (["n"], {"include": ["n"]}, {"exclude": ["even"]}):
        assert ask(points, **asked, with_payload=some)[0]["payload"] == {"n": 1}


@pytest.mark.parametrize(
    "query", [{"fusion": "rrf"}, {"fusion": "dbsf"}, {"rrf": {}}, {"rrf": {"k": 60}}], ids=str
)
def test_prefetches_are_fused(points: Catalogue, query: dict[str, Any]) -> None:
    prefetch = [
        {"query": [-1.0, 0.0], "using": "dense", "limit": 3},
        {"query": TERMS, "using": "terms", "prefetch": {"query": TERMS, "using": "terms"}},
    ]
    assert ask(points, query=query, prefetch=prefetch)[0]["id"] == 11


def test_an_order_may_be_asked_for(points: Catalogue) -> None:
    points.create_index("one", "n", "integer")
    found = ask(points, query={"order_by": "n"}, limit=2, params={"exact": True})
    assert [(one["id"], one["order_value"]) for one in found] == [(1, 1), (2, 2)]


def test_no_query_means_every_point(points: Catalogue) -> None:
    assert len(ask(points)) == 7


@pytest.mark.parametrize(
    "body",
    [
        {"query": 5},
        {"query": "00000000-0000-0000-0000-000000000001"},
        {"query": {"nearest": 5}},
        {"query": {"nearest": {"text": "embed me"}}},
        {"query": {"recommend": {}}},
        {"query": {"fusion": "sum"}},
        {"query": {"order_by": {}}},
        {"query": {"indices": [1, 1], "values": [1, 1]}},
        {"limit": -1},
        {"lookup_from": {"collection": "x"}},
        {"prefetch": [5]},
        {"params": {"quantization": {}}},
        {"with_vector": "dense"},
        {"with_payload": "n"},
        {"with_payload": {"include": "n"}},
        {"with_payload": {"only": []}},
    ],
    ids=str,
)
def test_wrong_queries_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        build_query(body)


def test_prefetches_nested_without_end_are_refused() -> None:
    prefetch: dict[str, Any] = {}
    for _ in range(100):
        prefetch = {"prefetch": [prefetch]}
    with pytest.raises(BadInput, match="deeply"):
        build_query(prefetch)


def test_defaults_of_payload_and_vectors() -> None:
    assert build_with_payload(None, default=True) is True
    assert build_with_vector(None) is False
