"""Every route, asked by another tenant: nothing is there. Routes are found, not listed here."""

import itertools
from typing import Any

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


NOBODY = dict.fromkeys(
    ("name", "document_id", "chunk_id", "job_id", "batch_id", "key_id"),
    "00000000-0000-7000-8000-000000000000",
) | {"number": "1", "page": "1"}


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
    }
    before = await state_of_acme(api, names)
    async with api.as_tenant("rival") as rival:
        for method, path in routes():
            with subtests.test(method=method, path=path):
                body = BODIES.get(f"{method} {path}", {})
                response = await rival.request(method, path.format(**names), **body)
                # The name of a collection is free for everyone.
                own = path == "/v1/collections/{name}"
                assert response.status_code == 404 or "{" not in path or own
                assert not shows(response, names)
                assert await state_of_acme(api, names) == before


def shows(response: httpx.Response, names: dict[str, str]) -> bool:
    """Tell whether an answer holds anything of acme's, but for the id that was asked for."""
    told = response.text
    if response.status_code == 404:
        return response.json()["code"] != "not_found" or "acme" in told
    ids = [value for name, value in names.items() if name not in ("name", "number", "page")]
    return any(secret in told for secret in ("acme", "a.txt", *ids))


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
            response = await client.request(method, path.format(**NOBODY), headers=header, **body)
            assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
            assert response.json()["detail"] == "No valid credential came with the request."
            assert response.headers["www-authenticate"] == "Bearer"


async def test_a_credential_for_queries_changes_nothing(
    api: IngestApi, subtests: pytest.Subtests
) -> None:
    async with api.as_tenant("acme", "query") as reader:
        for method, path in routes():
            with subtests.test(method=method, path=path):
                body = BODIES.get(f"{method} {path}", {})
                response = await reader.request(method, path.format(**NOBODY), **body)
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
