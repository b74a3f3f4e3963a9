"""Collections' and payload indexes' settings: Qdrant's JSON form in, the engine's out."""

from typing import Any

import qdrant_edge as edge

from citewell.embedded.qdrant.bodies import Object, as_count, as_object, as_text, only
from citewell.embedded.qdrant.refusals import BadInput

# What has no meaning in one process with one shard is taken and left alone.
_CLUSTER = {"shard_number", "replication_factor", "write_consistency_factor", "wal_config"}
_COLLECTION = {
    *_CLUSTER,
    *("vectors", "sparse_vectors", "hnsw_config", "optimizers_config", "on_disk_payload"),
}
_CHANGES = {"hnsw_config", "optimizers_config", "params"}
_MOST_DIMENSIONS = 65_536  # Qdrant's own limit; the engine takes more, and hangs or panics
_LONGEST_NAME = 100  # of a vector: the engine makes it part of a file's name
_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Euclid": edge.Distance.Euclid,
    "Dot": edge.Distance.Dot,
    "Manhattan": edge.Distance.Manhattan,
}
_OPTIMIZERS = {
    *("deleted_threshold", "vacuum_min_vector_number", "default_segment_number"),
    *("max_segment_size", "indexing_threshold"),
}
_IGNORED_OPTIMIZERS = {"memmap_threshold", "flush_interval_sec", "max_optimization_threads"}
_HNSW = {"m", "ef_construct", "full_scan_threshold", "max_indexing_threads", "payload_m"}
_HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
_INDEXES: dict[str, Any] = {
    "keyword": edge.KeywordIndexParams,
    "integer": edge.IntegerIndexParams,
    "float": edge.FloatIndexParams,
    "bool": edge.BoolIndexParams,
    "datetime": edge.DatetimeIndexParams,
    "uuid": edge.UuidIndexParams,
    "geo": edge.GeoIndexParams,
    "text": edge.TextIndexParams,
}
_INDEX_OPTIONS = {
    *("is_tenant", "is_principal", "lookup", "range", "on_disk", "enable_hnsw"),
    *("min_token_len", "max_token_len", "lowercase", "phrase_matching"),
}
# One search thread: a query holds the interpreter's lock, so more would only wait for it.
_SEARCH_THREADS = 1
# Mapped and read as needed: loading would else read each file's reserved room (32 MB a vector)
# into memory, even of an empty collection.
_PLACE = edge.Memory.Cold


def check_collection(body: Object) -> dict[str, Any]:
    """Return a collection's settings as they are kept, once the engine could be built with them.

    Raises:
        BadInput: a setting is wrong, or none the server speaks.
    """
    only(body, _COLLECTION, "collection")
    kept = {key: value for key, value in body.items() if value is not None}
    build_config(kept)
    return kept


def changed(settings: Object, changes: Object) -> dict[str, Any]:
    """Return a collection's settings with those of a `PATCH` put over them."""
    only(changes, _CHANGES, "collection")
    merged = dict(settings)
    for group in ("hnsw_config", "optimizers_config"):
        if changes.get(group) is not None:
            merged[group] = {**merged.get(group, {}), **as_object(changes[group], group)}
    build_config(merged)
    return merged


def build_config(settings: Object) -> edge.EdgeConfig:
    """Build the engine's configuration of a shard; its write-ahead log stays on."""
    dense = _dense(settings.get("vectors") or {})
    sparse = {
        name: _sparse(as_object(params or {}, name))
        for name, params in as_object(settings.get("sparse_vectors") or {}, "sparse").items()
    }
    if not dense and not sparse:
        raise BadInput("collection: no vectors are named")
    if any("/" in name or len(name) > _LONGEST_NAME for name in (*dense, *sparse)):
        raise BadInput(f"collection: a vector's name has at most {_LONGEST_NAME} characters, no /")
    return edge.EdgeConfig(
        vectors=dense,
        sparse_vectors=sparse,
        hnsw_config=_hnsw(settings.get("hnsw_config")),
        optimizers=_optimizers(settings.get("optimizers_config")),
        max_search_threads=_SEARCH_THREADS,
        payload_memory=_PLACE,
        id_tracker_memory=_PLACE,
        wal_enabled=True,
    )


def check_index(raw: object) -> dict[str, Any]:
    """Return a payload index's settings as they are kept: an object with `type`."""
    kept = {"type": raw} if isinstance(raw, str) else dict(as_object(raw, "field_schema"))
    kept = {key: value for key, value in kept.items() if value is not None}
    build_index(kept)
    return kept


def build_index(schema: Object) -> Any:
    """Build the engine's parameters of a payload index."""
    only(schema, {"type", *_INDEX_OPTIONS}, "field_schema")
    kind = as_text(schema.get("type"), "field_schema.type")
    if kind not in _INDEXES:
        raise BadInput(f"field_schema: unknown type `{kind}`")
    return _INDEXES[kind](**{key: value for key, value in schema.items() if key != "type"})


def described(settings: Object) -> dict[str, Any]:
    """Put a collection's settings into the form of `GET /collections/{name}`."""
    params = {key: settings[key] for key in ("vectors", "sparse_vectors") if key in settings}
    optimizers = settings.get("optimizers_config", {})
    return {
        "params": {
            **params,
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": True,
        },
        "hnsw_config": {**_HNSW_DEFAULTS, **settings.get("hnsw_config", {})},
        "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5, **optimizers},
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
        "quantization_config": None,
    }


def _dense(raw: object) -> dict[str, edge.EdgeVectorParams]:
    vectors = as_object(raw, "vectors")
    named = {"": vectors} if "size" in vectors else vectors
    return {name: _dense_params(as_object(params, name)) for name, params in named.items()}


def _dense_params(raw: Object) -> edge.EdgeVectorParams:
    only(raw, {"size", "distance", "on_disk", "hnsw_config"}, "vectors")
    size = as_count(raw.get("size"), "vectors.size", default=0)
    distance = as_text(raw.get("distance"), "vectors.distance")
    if distance not in _DISTANCES or not 0 < size <= _MOST_DIMENSIONS:
        raise BadInput(f"vectors: expected a `size` of 1 to {_MOST_DIMENSIONS}, a known `distance`")
    return edge.EdgeVectorParams(
        size, _DISTANCES[distance], hnsw_config=_hnsw(raw.get("hnsw_config")), memory=_PLACE
    )


def _sparse(raw: Object) -> edge.EdgeSparseVectorParams:
    only(raw, {"index", "modifier"}, "sparse_vectors")
    index = as_object(raw.get("index") or {}, "sparse_vectors.index")
    only(index, {"full_scan_threshold", "on_disk"}, "sparse_vectors.index")
    modifier = raw.get("modifier") or "none"
    if modifier not in {"none", "idf"}:
        raise BadInput(f"sparse_vectors: unknown modifier `{modifier}`")
    return edge.EdgeSparseVectorParams(
        full_scan_threshold=index.get("full_scan_threshold"),
        modifier=edge.Modifier.Idf if modifier == "idf" else None,
        memory=_PLACE,
    )


def _hnsw(raw: object) -> edge.HnswIndexConfig | None:
    if raw is None:
        return None
    given = as_object(raw, "hnsw_config")
    only(given, {*_HNSW, "on_disk"}, "hnsw_config")
    known = {key: value for key, value in given.items() if key in _HNSW and value is not None}
    return edge.HnswIndexConfig(**{**_HNSW_DEFAULTS, **known})


def _optimizers(raw: object) -> edge.EdgeOptimizersConfig | None:
    if raw is None:
        return None
    given = as_object(raw, "optimizers_config")
    only(given, _OPTIMIZERS | _IGNORED_OPTIMIZERS, "optimizers_config")
    return edge.EdgeOptimizersConfig(
        **{key: value for key, value in given.items() if key in _OPTIMIZERS}
    )
