"""Points and updates in Qdrant's JSON form, on the real engine."""

from operator import methodcaller
from typing import Any

import pytest
import qdrant_edge as edge

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.points import (
    build_delete,
    build_delete_payload,
    build_set_payload,
    build_upsert,
    record_answer,
)
from citewell.embedded.qdrant.queries import build_count, build_scroll
from citewell.embedded.qdrant.refusals import BadInput, refusal_of

EVEN = {"filter": {"must": [{"key": "even", "match": {"value": True}}]}}


def payloads(catalogue: Catalogue) -> dict[Any, Any]:
    request = build_scroll({"limit": 100})
    records, _ = catalogue.get("one").shard.read(lambda shard: shard.scroll(request))
    return {record.id: record.payload for record in records}


def test_points_may_come_as_columns(filled: Catalogue) -> None:
    batch = {
        "ids": [7, "00000000-0000-0000-0000-000000000008"],
        "vectors": {
            "dense": [[1, 0], [0, 1]],
            "terms": [{"indices": [1], "values": [1]}, {"indices": [2], "values": [2]}],
        },
        "payloads": [{"a": 1}, {"b": 2}],
    }
    operation, size = build_upsert({"batch": batch})
    filled.get("one").shard.write(operation)
    assert size == 2
    assert payloads(filled)[7] == {"a": 1}
    [record] = filled.get("one").shard.read(lambda shard: shard.retrieve([7], False, True))
    assert record_answer(record) == {
        "id": 7,
        "payload": None,
        "vector": {"dense": [1, 0], "terms": {"indices": [1], "values": [1]}},
    }


def test_columns_without_names_are_of_the_unnamed_vector(catalogue: Catalogue) -> None:
    catalogue.create("plain", {"vectors": {"size": 2, "distance": "Dot"}})
    operation, _ = build_upsert({"batch": {"ids": [1], "vectors": [[3, 4]]}})
    catalogue.get("plain").shard.write(operation)
    [record] = catalogue.get("plain").shard.read(lambda shard: shard.retrieve([1], True, True))
    assert record_answer(record) == {"id": 1, "payload": {}, "vector": [3, 4]}


def test_a_point_may_be_inserted_only_if_it_is_new(filled: Catalogue) -> None:
    rows = [{"id": n, "vector": {"dense": [1, 1]}, "payload": {"new": True}} for n in (1, 9)]
    filled.get("one").shard.write(build_upsert({"points": rows, "update_mode": "insert_only"})[0])
    assert "new" not in payloads(filled)[1]
    assert payloads(filled)[9] == {"new": True}


def test_points_are_deleted_by_id_and_by_filter(filled: Catalogue) -> None:
    filled.get("one").shard.write(build_delete({"points": [1, 77]}))
    filled.get("one").shard.write(build_delete(EVEN))
    assert set(payloads(filled)) == {3, 5}


def test_payloads_are_merged_replaced_and_cut(filled: Catalogue) -> None:
    shard = filled.get("one").shard
    shard.write(build_set_payload({"payload": {"x": 1}, "points": [1]}, overwrite=False))
    shard.write(build_set_payload({"payload": {"y": 1}, "points": [3]}, overwrite=True))
    shard.write(build_set_payload({"payload": {"z": 1}, **EVEN}, overwrite=False))
    shard.write(build_delete_payload({"keys": ["n"], **EVEN}))
    shard.write(build_delete_payload({"keys": ["even"], "points": [1]}))
    assert payloads(filled) == {
        1: {"n": 1, "x": 1},
        2: {"even": True, "z": 1},
        3: {"y": 1},
        4: {"even": True, "z": 1},
        5: {"n": 5, "even": False},
    }
    shard.write(build_set_payload({"payload": {"w": 1}, **EVEN}, overwrite=True))
    assert payloads(filled)[2] == {"w": 1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"points": {}},
        {"points": [1]},
        {"points": [{"vector": {"dense": [1, 1]}}]},
        {"points": [{"id": -1, "vector": {"dense": [1, 1]}}]},
        {"points": [{"id": True, "vector": {"dense": [1, 1]}}]},
        {"points": [{"id": "one", "vector": {"dense": [1, 1]}}]},
        {"points": [{"id": 1}]},
        {"points": [{"id": 1, "vector": {"dense": "x"}}]},
        {"points": [{"id": 1, "vector": {"dense": ["x"]}}]},
        {"points": [{"id": 1, "vector": {"terms": {"indices": [1, 1], "values": [1, 1]}}}]},
        {"points": [{"id": 1, "vector": {"terms": {"indices": [1], "values": [1, 1]}}}]},
        {"points": [{"id": 1, "vector": {"terms": {"indices": [-1], "values": [1]}}}]},
        {"points": [{"id": 1, "vector": {"dense": {"text": "embed me"}}}]},
        {"points": [{"id": 1, "vector": {"dense": [1, 1]}, "payload": 3}]},
        {"points": [], "shard_key": "a"},
        {"batch": {"ids": [1, 2], "vectors": {"dense": [[1, 1]]}}},
        {"batch": {"ids": [1, 2], "vectors": [[1, 1]]}},
        {"batch": {"ids": [1], "vectors": {"dense": [[1, 1]]}, "payloads": [{}, {}]}},
    ],
    ids=str,
)
def test_wrong_points_are_the_senders_fault(body: dict[str, Any]) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the engine's own are of many types
        build_upsert(body)
    assert isinstance(refusal_of(refused.value), BadInput)


@pytest.mark.parametrize(
    "points",
    [
        [{"id": 1, "vector": {"dense": [1, 2, 3]}}],
        [{"id": 1, "vector": {"other": [1, 2]}}],
        [{"id": 1, "vector": [1, 2]}],
    ],
    ids=str,
)
def test_points_that_do_not_fit_leave_nothing(filled: Catalogue, points: list[Any]) -> None:
    operation, _ = build_upsert({"points": points})
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the engine's own type is the bare one
        filled.get("one").shard.write(operation)
    assert isinstance(refusal_of(refused.value), BadInput)
    assert payloads(filled)[1] == {"n": 1, "even": False}


@pytest.mark.parametrize("body", [{}, {"points": None}, {"filter": None}, {"points": 1}])
def test_an_update_must_select_its_points(body: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        build_delete(body)
    with pytest.raises(BadInput):
        build_set_payload({"payload": {}, **body}, overwrite=True)
    with pytest.raises(BadInput):
        build_delete_payload({"keys": ["a"], **body})


def test_points_in_a_fields_order_name_its_value(filled: Catalogue) -> None:
    filled.create_index("one", "n", "integer")
    for raw in (
        {"key": "n", "direction": "desc"},
        {"key": "n", "direction": "desc", "start_from": 5},
    ):
        request = build_scroll({"order_by": raw, "limit": 2})
        records, _ = filled.get("one").shard.read(methodcaller("scroll", request))
        assert [record_answer(record)["order_value"] for record in records] == [5, 4]


def test_points_are_counted_by_filter(filled: Catalogue) -> None:
    for exact in (True, False):
        request = build_count({**EVEN, "exact": exact})
        assert filled.get("one").shard.read(methodcaller("count", request)) == 2


def test_engine_failures_are_not_the_senders_fault(filled: Catalogue) -> None:
    closed = filled.get("one").shard.read(lambda shard: shard)
    closed.close()
    with pytest.raises(Exception) as failed:  # noqa: PT011 - the engine's own type is the bare one
        closed.count(edge.CountRequest())
    assert refusal_of(failed.value).status == 500
    assert refusal_of(KeyError("a bug")).message == "Service internal error: see the server's log"
