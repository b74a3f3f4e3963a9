"""Every route, asked by another tenant: nothing is there. Routes are found, not listed here."""

import itertools
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.routing import APIRoute

from services.ingest_worker.app import create_app
from shared.database.engine import Database
from tests.integration.test_ingest_api_routes import make_live
from tests.support.ingest_api import BOOTSTRAP, IngestApi, upload

OPEN = {"/healthz", "/readyz", "/metrics"}
# What may be sent to a route, so that it gets as far as looking for the other tenant's thing.
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /v1/documents/{document_id}": {"json": {"attributes": {"x": 1}}},
    "PUT /v1/collections/{name}": {"json": {"description": "mine"}},
    "POST /v1/collections/{name}/reindex": {"json": {"space": "openai/text-embedding-3-large"}},
    "POST /v1/admin/doctor": {"json": {"fix": True}},
    "POST /v1/keys": {"json": {"scopes": ["query"]}},
    "POST /v1/documents": {"files": [("file", ("other.txt", b"other"))]},
}
STORE, STORE_FILE = "/openai/v1/vector_stores/{vector_store_id}", "file-" + "1" * 32
BODIES |= {
    "POST /openai/v1/files": {
        "files": [("file", ("other.txt", b"other"))],
        "data": {"purpose": "assistants"},
    },
    "POST /openai/v1/vector_stores": {"json": {"name": "mine"}},
    f"POST {STORE}": {"json": {"name": "mine"}},
    f"POST {STORE}/files": {"json": {"file_id": STORE_FILE}},
    f"POST {STORE}/files/{{file_id}}": {"json": {"attributes": {"x": 1}}},
    f"POST {STORE}/file_batches": {"json": {"file_ids": [STORE_FILE]}},
}


NOBODY = dict.fromkeys(
    ("name", "document_id", "chunk_id", "job_id", "batch_id", "key_id"),
    "00000000-0000-7000-8000-000000000000",
) | {"number": "1", "page": "1"}
NOBODY |= {"file_id": STORE_FILE, "vector_store_id": "vs_" + "1" * 32}


def place(path: str, names: dict[str, str]) -> str:
    """Return a route's address; OpenAI's clients know a batch by another name."""
    own = {"batch_id": f"vsfb_{UUID(names['batch_id']).hex}"} if "/openai/" in path else {}
    return path.format(**names | own)


def told(response: httpx.Response) -> tuple[str, str]:
    """Return the code and the detail of a problem, in either form."""
    body = response.json()
    error = body.get("error", body)
    return error["code"], error.get("detail") or error["message"]


def routes() -> list[tuple[str, str]]:
    found = [
        (method, route.path)
        for route in every_route(create_app().routes)
        for method in sorted(route.methods or ())
        if route.path not in OPEN
    ]
    assert len(found) > 20
    return found


def every_route(held: Any) -> list[APIRoute]:
    found: list[APIRoute] = []
    for route in held:
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "original_router"):
            found += every_route(route.original_router.routes)
    return found


async def state_of_acme(api: IngestApi, names: dict[str, str]) -> list[Any]:
    """Everything tenant `acme` sees."""
    paths = [
        "/v1/collections",
        "/v1/documents?collection=papers",
        f"/v1/documents/{names['document_id']}/versions",
        f"/v1/documents/{names['document_id']}/chunks",
        "/v1/jobs",
        f"/v1/batches/{names['batch_id']}",
        "/v1/keys",
        "/openai/v1/files",
        "/openai/v1/vector_stores",
        f"/openai/v1/vector_stores/{names['vector_store_id']}/files",
    ]
    return [without_clocks((await api.client.get(path)).json()) for path in paths]


def without_clocks(body: Any) -> Any:
    return {k: v for k, v in body.items() if k not in ("throughput", "eta_s")}


async def test_another_tenant_sees_and_changes_nothing(
    api: IngestApi, database: Database, subtests: pytest.Subtests
) -> None:
    await api.client.put("/v1/collections/papers", json={"description": "acme's"})
    answer = await upload(api.client, ("a.txt", b"acme's bytes"), collection="papers")
    key = (await api.client.post("/v1/keys", json={"scopes": ["query"]})).json()
    job = answer["jobs"][0]
    openai = await kept_and_attached(api)
    [chunk_id] = await make_live(database, job["document_id"], ["acme's text"])
    names = {
        "name": "papers",
        "document_id": job["document_id"],
        "chunk_id": str(chunk_id),
        "job_id": job["job_id"],
        "batch_id": answer["batch_id"],
        "key_id": key["id"],
        "number": "1",
        "page": "1",
        **openai,
    }
    before = await state_of_acme(api, names)
    async with api.as_tenant("rival") as rival:
        for method, path in routes():
            with subtests.test(method=method, path=path):
                body = BODIES.get(f"{method} {path}", {})
                response = await rival.request(method, place(path, names), **body)
                # The name of a collection is free for everyone.
                own = path == "/v1/collections/{name}"
                assert response.status_code == 404 or "{" not in path or own
                assert not shows(response, names)
                assert await state_of_acme(api, names) == before


async def kept_and_attached(api: IngestApi) -> dict[str, str]:
    """Keep a file of `acme` as OpenAI's clients do, and put it into a store; return their ids."""
    form: dict[str, Any] = {"files": {"file": ("a.txt", b"acme's kept")}}
    kept = await api.client.post("/openai/v1/files", data={"purpose": "assistants"}, **form)
    wish = {"name": "acme's", "file_ids": [kept.json()["id"]]}
    store = await api.client.post("/openai/v1/vector_stores", json=wish)
    return {"file_id": kept.json()["id"], "vector_store_id": store.json()["id"]}


def shows(response: httpx.Response, names: dict[str, str]) -> bool:
    """Tell whether an answer holds anything of acme's, but for the id that was asked for."""
    text = response.text
    if response.status_code == 404:
        return told(response)[0] != "not_found" or "acme" in text
    ids = [value for name, value in names.items() if name not in ("name", "number", "page")]
    return any(secret in text for secret in ("acme", "a.txt", *ids))


async def test_without_a_credential_every_route_is_401(
    api: IngestApi, subtests: pytest.Subtests
) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://ingest")
    headers: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {BOOTSTRAP}"},
        {"Authorization": BOOTSTRAP},
    )
    for (method, path), header in itertools.product(routes(), headers):
        with subtests.test(method=method, path=path, header=header):
            body = BODIES.get(f"{method} {path}", {})
            response = await client.request(method, place(path, NOBODY), headers=header, **body)
            assert response.status_code == 401
            detail = "No valid credential came with the request."
            assert told(response) == ("unauthenticated", detail)
            assert response.headers["www-authenticate"] == "Bearer"


async def test_a_credential_for_queries_changes_nothing(
    api: IngestApi, subtests: pytest.Subtests
) -> None:
    async with api.as_tenant("acme", "query") as reader:
        for method, path in routes():
            with subtests.test(method=method, path=path):
                body = BODIES.get(f"{method} {path}", {})
                response = await reader.request(method, place(path, NOBODY), **body)
                assert response.status_code == 403 or method == "GET"


async def test_the_same_bytes_of_two_tenants_are_two_blobs(api: IngestApi) -> None:
    await upload(api.client, ("a.txt", b"same"))
    async with api.as_tenant("rival") as rival:
        answer = await upload(rival, ("a.txt", b"same"))
    assert "duplicate_of" not in answer["jobs"][0]
    assert len(api.blobs()) == 2


async def test_no_body_path_or_header_names_a_tenant(api: IngestApi) -> None:
    response = await api.client.post(
        "/v1/documents",
        files=[("file", ("a.txt", b"x"))],
        data={"tenant_id": "rival"},
    )
    assert response.status_code == 422
    listed = await api.client.get("/v1/documents?tenant_id=rival", headers={"X-Tenant": "rival"})
    assert listed.json()["items"] == []
