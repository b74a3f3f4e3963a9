"""Points: Qdrant's JSON form in, the engine's points and updates out, and answers back."""

from collections.abc import Mapping, Sequence
from typing import Any

import qdrant_edge as edge

from citewell.embedded.qdrant.bodies import Object, as_list, as_object, as_text, only
from citewell.embedded.qdrant.conditions import build_filter, build_selection
from citewell.embedded.qdrant.refusals import BadInput

_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}


def build_upsert(body: Object) -> tuple[edge.UpdateOperation, int]:
    """Build the update of `PUT …/points`, from a list or a batch of columns, and its size."""
    only(body, {"points", "batch", "update_filter", "update_mode"}, "upsert")
    if "batch" in body:
        points = _from_columns(as_object(body["batch"], "batch"))
    else:
        points = [_point(row) for row in as_list(body.get("points"), "points")]
    mode = _MODES.get(body.get("update_mode") or "upsert")
    condition = build_filter(body.get("update_filter"))
    return edge.UpdateOperation.upsert_points(points, condition, mode), len(points)


def build_delete(body: Object) -> edge.UpdateOperation:
    """Build the update of `POST …/points/delete`, by ids or by filter."""
    only(body, {"points", "filter"}, "delete")
    if body.get("points") is not None:
        return edge.UpdateOperation.delete_points(as_ids(body["points"]))
    return edge.UpdateOperation.delete_points_by_filter(build_selection(body))


def build_set_payload(body: Object, *, overwrite: bool) -> edge.UpdateOperation:
    """Build the update that merges into payloads, or puts a new one in their place."""
    only(body, {"payload", "points", "filter", "key"}, "payload")
    payload, key = dict(as_object(body.get("payload"), "payload")), body.get("key")
    change = edge.UpdateOperation
    if body.get("points") is not None:
        by_ids = change.overwrite_payload if overwrite else change.set_payload
        return by_ids(as_ids(body["points"]), payload, key)
    by_filter = change.overwrite_payload_by_filter if overwrite else change.set_payload_by_filter
    return by_filter(build_selection(body), payload, key)


def build_delete_payload(body: Object) -> edge.UpdateOperation:
    """Build the update that removes keys from payloads."""
    only(body, {"keys", "points", "filter"}, "payload")
    keys = [as_text(key, "keys") for key in as_list(body.get("keys"), "keys")]
    if body.get("points") is not None:
        return edge.UpdateOperation.delete_payload(as_ids(body["points"]), keys)
    return edge.UpdateOperation.delete_payload_by_filter(build_selection(body), keys)


def as_ids(raw: object) -> list[Any]:
    """Return point ids, each an unsigned integer or a UUID's string."""
    return [as_id(value) for value in as_list(raw, "point ids")]


def as_id(raw: object) -> int | str:
    """Return one point id; the engine checks that a string is a UUID."""
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise BadInput(f"{raw!r} is not a point id: expected an unsigned integer or a UUID")
    return raw


def as_vector(raw: object) -> Any:
    """Return a dense vector as it is, a sparse one as the engine's; both checked.

    The engine itself takes a sparse vector with repeated terms, and then scores it wrongly.
    """
    if isinstance(raw, list):
        return raw
    body = as_object(raw, "vector")
    only(body, {"indices", "values"}, "vector")
    indices, values = as_list(body.get("indices"), "indices"), as_list(body.get("values"), "values")
    if len(indices) != len(values):
        raise BadInput("sparse vector: `indices` and `values` must be of equal length")
    if len(set(indices)) != len(indices):
        raise BadInput("sparse vector: `indices` must be unique")
    return edge.SparseVector(indices, values)


def _point(raw: object) -> edge.Point:
    body = as_object(raw, "point")
    if "vector" not in body:
        raise BadInput("point: `vector` is missing")
    return edge.Point(as_id(body.get("id")), _vectors(body["vector"]), body.get("payload"))


def _vectors(raw: object) -> Any:
    if isinstance(raw, list):
        return raw
    return {name: as_vector(value) for name, value in as_object(raw, "vector").items()}


def _from_columns(batch: Object) -> list[edge.Point]:
    ids = as_ids(batch.get("ids"))
    rows = _vector_rows(batch.get("vectors"), len(ids))
    payloads = batch.get("payloads") or [None] * len(ids)
    if len(rows) != len(ids) or len(payloads) != len(ids):
        raise BadInput("batch: `ids`, `vectors` and `payloads` must be of equal length")
    return [
        edge.Point(key, _vectors(vectors), payload)
        for key, vectors, payload in zip(ids, rows, payloads, strict=True)
    ]


def _vector_rows(raw: object, size: int) -> Sequence[Any]:
    if isinstance(raw, list):
        return raw
    columns = {
        name: as_list(value, "batch.vectors")
        for name, value in as_object(raw, "batch.vectors").items()
    }
    if any(len(column) != size for column in columns.values()):
        raise BadInput("batch: each vector's column must be as long as `ids`")
    return [{name: column[row] for name, column in columns.items()} for row in range(size)]


def record_answer(record: edge.Record) -> dict[str, Any]:
    """Put a stored point into the form of an answer."""
    answer: dict[str, Any] = {"id": record.id, "payload": record.payload}
    if record.vector is not None:
        answer["vector"] = _vector_answer(record.vector)
    if record.order_value is not None:
        answer["order_value"] = record.order_value
    return answer


def scored_answer(point: edge.ScoredPoint) -> dict[str, Any]:
    """Put a found point into the form of an answer."""
    answer: dict[str, Any] = {
        "id": point.id,
        "version": point.version,
        "score": point.score,
        "payload": point.payload,
    }
    if point.vector is not None:
        answer["vector"] = _vector_answer(point.vector)
    if point.order_value is not None:
        answer["order_value"] = point.order_value
    return answer


def _vector_answer(vector: Any) -> Any:
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    if isinstance(vector, Mapping):
        return {name: _vector_answer(value) for name, value in vector.items()}
    return vector
