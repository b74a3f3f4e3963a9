"""Settings of collections and indexes: what is taken, what is refused, how they are described."""

from typing import Any

import pytest

from citewell.embedded.qdrant.configs import (
    changed,
    check_collection,
    check_index,
    described,
)
from citewell.embedded.qdrant.refusals import BadInput, refusal_of
from tests.support.qdrant import COLLECTION


def test_settings_are_kept_as_sent_without_nulls() -> None:
    sent = {**COLLECTION, "shard_number": 1, "hnsw_config": None, "on_disk_payload": True}
    assert check_collection(sent) == {**COLLECTION, "shard_number": 1, "on_disk_payload": True}


def test_graphs_and_optimizers_may_be_set() -> None:
    check_collection(
        {
            "vectors": {
                "dense": {"size": 2, "distance": "Euclid", "hnsw_config": {"m": 8}},
            },
            "sparse_vectors": {"terms": {"index": {"full_scan_threshold": 100}}},
            "hnsw_config": {"m": 0, "payload_m": 16, "on_disk": False},
            "optimizers_config": {"indexing_threshold": 100, "flush_interval_sec": 1},
        }
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"vectors": {}},
        {"vectors": []},
        {"vectors": {"dense": {"size": 0, "distance": "Dot"}}},
        {"vectors": {"dense": {"size": 65_537, "distance": "Dot"}}},
        {"vectors": {"a/b": {"size": 2, "distance": "Dot"}}},
        {"vectors": {"a" * 101: {"size": 2, "distance": "Dot"}}},
        {"vectors": {"dense": {"size": 2}}},
        {"vectors": {"dense": {"size": 2, "distance": "Hamming"}}},
        {"vectors": {"dense": {"size": 2, "distance": "Dot", "multivector_config": {}}}},
        {"sparse_vectors": {"terms": {"modifier": "bm25"}}},
        {"sparse_vectors": {"terms": {"index": {"datatype": "uint8"}}}},
        {**COLLECTION, "quantization_config": {}},
        {**COLLECTION, "hnsw_config": {"m": "many"}},
        {**COLLECTION, "hnsw_config": {"n": 1}},
        {**COLLECTION, "optimizers_config": {"speed": 1}},
    ],
    ids=lambda body: str(body)[:60],
)
def test_wrong_settings_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises((BadInput, TypeError)) as refused:
        check_collection(body)
    assert isinstance(refusal_of(refused.value), BadInput)


def test_changes_are_put_over_the_settings() -> None:
    before = {**COLLECTION, "hnsw_config": {"m": 8}}
    after = changed(before, {"hnsw_config": {"ef_construct": 64}, "params": {}})
    assert after == {**COLLECTION, "hnsw_config": {"m": 8, "ef_construct": 64}}
    assert before["hnsw_config"] == {"m": 8}


def test_vectors_cannot_be_changed() -> None:
    with pytest.raises(BadInput):
        changed(COLLECTION, {"vectors": {"dense": {"on_disk": True}}})


def test_a_collection_is_described_with_its_settings() -> None:
    told = described({**COLLECTION, "hnsw_config": {"m": 8}})
    assert told["params"]["vectors"] == COLLECTION["vectors"]
    assert told["hnsw_config"] == {"m": 8, "ef_construct": 100, "full_scan_threshold": 10_000}


def test_an_index_may_be_named_by_its_type_alone() -> None:
    assert check_index("keyword") == {"type": "keyword"}
    tenant = {"type": "keyword", "is_tenant": True, "on_disk": None}
    assert check_index(tenant) == {"type": "keyword", "is_tenant": True}


@pytest.mark.parametrize(
    "schema",
    [None, 5, "words", {}, {"type": "keyword", "prefix": True}, {"type": "bool", "range": True}],
    ids=str,
)
def test_wrong_indexes_are_refused(schema: object) -> None:
    with pytest.raises((BadInput, TypeError)) as refused:
        check_index(schema)
    assert isinstance(refusal_of(refused.value), BadInput)
