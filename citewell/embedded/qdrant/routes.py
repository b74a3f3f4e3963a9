"""The calls the server speaks: method and path, and what is done; paths as in Qdrant's OpenAPI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import qdrant_edge as edge

from citewell.embedded.qdrant.bodies import Object, as_list, as_object, as_text
from citewell.embedded.qdrant.catalogue import Catalogue, Collection
from citewell.embedded.qdrant.configs import described
from citewell.embedded.qdrant.points import (
    as_id,
    as_ids,
    build_delete,
    build_delete_payload,
    build_set_payload,
    build_upsert,
    record_answer,
    scored_answer,
)
from citewell.embedded.qdrant.queries import (
    build_count,
    build_facet,
    build_query,
    build_scroll,
    build_with_payload,
    build_with_vector,
)
from citewell.embedded.qdrant.refusals import Missing

_operations = count()


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the names in its path, its body, and what it works on."""

    catalogue: Catalogue
    path: Mapping[str, str]
    body: Object

    @property
    def name(self) -> str:
        """The collection's name or alias as sent."""
        return self.path["name"]

    @property
    def collection(self) -> Collection:
        """The collection it is about."""
        return self.catalogue.get(self.name)


Route = Callable[[Call], Any]


def list_collections(call: Call) -> Any:
    """Name every collection."""
    return {"collections": [{"name": name} for name in call.catalogue.names()]}


def get_collection(call: Call) -> Any:
    """Describe a collection: its size, state, settings and payload indexes."""
    collection = call.collection
    info = collection.shard.read(lambda engine: engine.info())
    return {
        "status": "yellow" if collection.optimizing else "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": info.indexed_vectors_count,
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "config": described(collection.entry.settings),
        "payload_schema": {
            field: _described_index(schema, info.payload_schema.get(field))
            for field, schema in collection.entry.indexes.items()
        },
    }


def has_collection(call: Call) -> Any:
    """Tell whether a collection is there."""
    return {"exists": call.catalogue.has(call.name)}


def create_collection(call: Call) -> Any:
    """Make a collection."""
    call.catalogue.create(call.name, call.body)
    return True


def update_collection(call: Call) -> Any:
    """Change a collection's settings; it is optimised soon after, whatever the change."""
    call.catalogue.update(call.name, call.body)
    return True


def delete_collection(call: Call) -> Any:
    """Remove a collection."""
    return call.catalogue.delete(call.name)


def list_aliases(call: Call) -> Any:
    """List all aliases, or those of one collection."""
    return {"aliases": call.catalogue.aliases(call.path.get("name"))}


def change_aliases(call: Call) -> Any:
    """Make, rename and remove aliases in one step."""
    call.catalogue.change_aliases(as_list(call.body.get("actions"), "actions"))
    return True


def create_index(call: Call) -> Any:
    """Index a payload field."""
    schema = call.body.get("field_schema") or call.body.get("field_type")
    field = as_text(call.body.get("field_name"), "field_name")
    call.catalogue.create_index(call.name, field, schema)
    return _done()


def delete_index(call: Call) -> Any:
    """Remove a payload field's index."""
    call.catalogue.delete_index(call.name, call.path["field"])
    return _done()


def upsert(call: Call) -> Any:
    """Write points."""
    operation, size = build_upsert(call.body)
    return _write(call, operation, size)


def delete_points(call: Call) -> Any:
    """Delete points by id or by filter."""
    return _write(call, build_delete(call.body))


def set_payload(call: Call) -> Any:
    """Merge into payloads."""
    return _write(call, build_set_payload(call.body, overwrite=False))


def overwrite_payload(call: Call) -> Any:
    """Replace payloads."""
    return _write(call, build_set_payload(call.body, overwrite=True))


def delete_payload(call: Call) -> Any:
    """Remove keys from payloads."""
    return _write(call, build_delete_payload(call.body))


def retrieve(call: Call) -> Any:
    """Return points by id; absent ones are left out."""
    ids = as_ids(call.body.get("ids"))
    with_payload = build_with_payload(call.body.get("with_payload"), default=True)
    with_vector = build_with_vector(call.body.get("with_vector"))
    records = call.collection.shard.read(
        lambda shard: shard.retrieve(ids, with_payload, with_vector)
    )
    return [record_answer(record) for record in records]


def get_point(call: Call) -> Any:
    """Return one point with everything."""
    raw = call.path["id"]
    point = as_id(int(raw) if raw.isdecimal() else raw)
    records = call.collection.shard.read(lambda shard: shard.retrieve([point], True, True))
    if not records:
        raise Missing(f"Point with id {raw} does not exists!")
    return record_answer(records[0])


def scroll(call: Call) -> Any:
    """Return one page of points."""
    request = build_scroll(call.body)
    records, following = call.collection.shard.read(lambda shard: shard.scroll(request))
    return {
        "points": [record_answer(record) for record in records],
        "next_page_offset": following,
    }


def count_points(call: Call) -> Any:
    """Count points."""
    request = build_count(call.body)
    return {"count": call.collection.shard.read(lambda shard: shard.count(request))}


def facet(call: Call) -> Any:
    """Count the values of a payload field, the most frequent first."""
    request = build_facet(call.body)
    answer = call.collection.shard.read(lambda shard: shard.facet(request))
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in answer.hits]}


def query(call: Call) -> Any:
    """Search once."""
    return _query(call, [call.body])[0]


def query_batch(call: Call) -> Any:
    """Search several times in one pass over the points."""
    searches = as_list(call.body.get("searches"), "searches")
    return _query(call, [as_object(search, "searches") for search in searches])


def _query(call: Call, bodies: list[Object]) -> list[dict[str, Any]]:
    collection = call.collection
    if not bodies:
        return []
    batch = edge.QueryBatchRequest([build_query(body) for body in bodies])
    found = collection.shard.read(lambda shard: shard.query_batch(batch))
    return [{"points": [scored_answer(point) for point in points]} for points in found]


def _write(call: Call, operation: edge.UpdateOperation, size: int = 1) -> dict[str, Any]:
    call.collection.shard.write(operation, size=size)
    return _done()


def _done() -> dict[str, Any]:
    return {"operation_id": next(_operations), "status": "completed"}


def _described_index(schema: Object, index: Any) -> dict[str, Any]:
    return {
        "data_type": schema["type"],
        "params": schema if len(schema) > 1 else None,
        "points": 0 if index is None else index.points,
    }


_ONE = "/collections/{name}"
ROUTES: Mapping[str, Mapping[str, Route]] = {
    "/collections": {"GET": list_collections},
    "/collections/aliases": {"POST": change_aliases},
    "/aliases": {"GET": list_aliases},
    _ONE: {
        "GET": get_collection,
        "PUT": create_collection,
        "PATCH": update_collection,
        "DELETE": delete_collection,
    },
    f"{_ONE}/exists": {"GET": has_collection},
    f"{_ONE}/aliases": {"GET": list_aliases},
    f"{_ONE}/index": {"PUT": create_index},
    f"{_ONE}/index/{{field}}": {"DELETE": delete_index},
    f"{_ONE}/points": {"PUT": upsert, "POST": retrieve},
    f"{_ONE}/points/delete": {"POST": delete_points},
    f"{_ONE}/points/scroll": {"POST": scroll},
    f"{_ONE}/points/count": {"POST": count_points},
    f"{_ONE}/points/payload": {"POST": set_payload, "PUT": overwrite_payload},
    f"{_ONE}/points/payload/delete": {"POST": delete_payload},
    f"{_ONE}/facet": {"POST": facet},
    f"{_ONE}/points/query": {"POST": query},
    f"{_ONE}/points/query/batch": {"POST": query_batch},
    f"{_ONE}/points/{{id}}": {"GET": get_point},
}
