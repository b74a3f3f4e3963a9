"""Reads: the bodies of query, scroll, count and retrieve in, the engine's requests out."""

from typing import Any

import qdrant_edge as edge

from citewell.embedded.qdrant.bodies import Object, as_count, as_list, as_object, as_text, only
from citewell.embedded.qdrant.conditions import build_filter
from citewell.embedded.qdrant.points import as_id, as_vector
from citewell.embedded.qdrant.refusals import BadInput

_LIMIT = 10  # Qdrant's own default
_RRF_K = 2  # Qdrant's own default
_DEEPEST = 8
_PREFETCH = {"prefetch", "query", "using", "filter", "params", "score_threshold", "limit"}
_QUERY = {*_PREFETCH, "offset", "with_payload", "with_vector"}
_DIRECTIONS = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}


def build_query(body: Object) -> edge.QueryRequest:
    """Build one query: nearest to a given vector, a fusion of prefetches, or in a field's order."""
    only(body, _QUERY, "query")
    prefetches = _prefetches(body.get("prefetch"), 0)
    return edge.QueryRequest(
        limit=as_count(body.get("limit"), "limit", default=_LIMIT),
        offset=as_count(body.get("offset"), "offset", default=0),
        query=_scoring(body.get("query"), body.get("using")),
        prefetches=prefetches,
        with_vector=build_with_vector(body.get("with_vector")),
        with_payload=build_with_payload(body.get("with_payload"), default=False),
        filter=build_filter(body.get("filter")),
        score_threshold=body.get("score_threshold"),
        params=_params(body.get("params")),
    )


def build_scroll(body: Object) -> edge.ScrollRequest:
    """Build one page of a scroll."""
    only(body, {"offset", "limit", "filter", "with_payload", "with_vector", "order_by"}, "scroll")
    offset, order = body.get("offset"), body.get("order_by")
    return edge.ScrollRequest(
        offset=None if offset is None else as_id(offset),
        limit=as_count(body.get("limit"), "limit", default=_LIMIT),
        filter=build_filter(body.get("filter")),
        with_payload=build_with_payload(body.get("with_payload"), default=True),
        with_vector=build_with_vector(body.get("with_vector")),
        order_by=None if order is None else _order(order),
    )


def build_count(body: Object) -> edge.CountRequest:
    """Build a count; exact unless told otherwise."""
    only(body, {"filter", "exact"}, "count")
    return edge.CountRequest(
        exact=body.get("exact") is not False, filter=build_filter(body.get("filter"))
    )


def build_facet(body: Object) -> edge.FacetRequest:
    """Build a count of a payload field's values; as exact as asked, Qdrant's default is not."""
    only(body, {"key", "filter", "limit", "exact"}, "facet")
    return edge.FacetRequest(
        key=as_text(body.get("key"), "key"),
        limit=as_count(body.get("limit"), "limit", default=_LIMIT),
        exact=body.get("exact") is True,
        filter=build_filter(body.get("filter")),
    )


def build_with_payload(raw: object, *, default: bool) -> Any:
    """Build the choice of payload fields: all, none, some or all but some."""
    if raw is None:
        return default
    if isinstance(raw, bool | list):
        return raw
    body = as_object(raw, "with_payload")
    only(body, {"include", "exclude"}, "with_payload")
    if "include" in body:
        return edge.PayloadSelector.Include(as_list(body["include"], "include"))
    return edge.PayloadSelector.Exclude(as_list(body.get("exclude"), "exclude"))


def build_with_vector(raw: object) -> Any:
    """Build the choice of vectors: all, none or some by name."""
    if raw is None:
        return False
    if isinstance(raw, bool | list):
        return raw
    raise BadInput("with_vector: expected a boolean or names")


def _prefetches(raw: object, depth: int) -> list[edge.Prefetch]:
    if raw is None:
        return []
    if depth > _DEEPEST:
        raise BadInput("prefetch: nested too deeply")
    rows = raw if isinstance(raw, list) else [raw]
    return [_prefetch(as_object(row, "prefetch"), depth) for row in rows]


def _prefetch(body: Object, depth: int) -> edge.Prefetch:
    only(body, _PREFETCH, "prefetch")
    return edge.Prefetch(
        limit=as_count(body.get("limit"), "limit", default=_LIMIT),
        query=_scoring(body.get("query"), body.get("using")),
        prefetches=_prefetches(body.get("prefetch"), depth + 1),
        params=_params(body.get("params")),
        filter=build_filter(body.get("filter")),
        score_threshold=body.get("score_threshold"),
    )


def _scoring(raw: object, using: str | None) -> Any:
    if raw is None:
        return None
    if isinstance(raw, list):
        return edge.Query.Nearest(raw, using)
    if not isinstance(raw, dict):
        raise BadInput("query: looking up a point by its id is not spoken by the embedded server")
    if "indices" in raw:
        return edge.Query.Nearest(as_vector(raw), using)
    only(raw, {"nearest", "fusion", "rrf", "order_by"}, "query")
    if "nearest" in raw:
        return _scoring(_plain_vector(raw["nearest"]), using)
    return _order(raw["order_by"]) if "order_by" in raw else _fusion(raw)


def _plain_vector(raw: object) -> object:
    if isinstance(raw, dict) and "indices" not in raw:
        raise BadInput("nearest: expected a dense or sparse vector")
    return raw


def _fusion(raw: Object) -> edge.Fusion.Rrf | edge.Fusion.Dbsf:
    name = raw.get("fusion", "rrf")
    if name == "dbsf":
        return edge.Fusion.Dbsf()
    if name != "rrf":
        raise BadInput(f"fusion: unknown `{name}`")
    rrf = as_object(raw.get("rrf") or {}, "rrf")
    return edge.Fusion.Rrf(as_count(rrf.get("k"), "rrf.k", default=_RRF_K), rrf.get("weights"))


def _order(raw: object) -> edge.OrderBy:
    if isinstance(raw, str):
        return edge.OrderBy(raw)
    body = as_object(raw, "order_by")
    direction = _DIRECTIONS.get(body.get("direction") or "asc")
    return edge.OrderBy(as_text(body.get("key"), "key"), direction, body.get("start_from"))


def _params(raw: object) -> edge.SearchParams | None:
    if raw is None:
        return None
    body = as_object(raw, "params")
    only(body, {"hnsw_ef", "exact", "indexed_only"}, "params")
    return edge.SearchParams(
        hnsw_ef=body.get("hnsw_ef"),
        exact=body.get("exact") is True,
        indexed_only=body.get("indexed_only") is True,
    )
