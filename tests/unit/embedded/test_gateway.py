"""The gateway in front of two tiny services."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from citewell.embedded.gateway import Gateway, service_of

ROOT = Path(__file__).parents[3]
UP = {"status": "up", "required": True}
DOWN = {"status": "down", "required": True}
LIVED: list[str] = []


def service(name: str, status: int = 200, **dependencies: dict[str, object]) -> Starlette:
    async def tell(request: Request) -> Response:
        place = {"service": name, "path": request.url.path, "root": request.scope["root_path"]}
        return JSONResponse({**place, "state": getattr(request.state, "name", None)})

    async def readyz(_request: Request) -> Response:
        verdict = "ready" if status == 200 else "unavailable"
        return JSONResponse({"status": verdict, "dependencies": dependencies}, status)

    async def broken(_request: Request) -> Response:
        raise RuntimeError(name)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, str]]:
        LIVED.append(f"{name} up")
        yield {"name": name}
        LIVED.append(f"{name} down")

    routes = [Route("/readyz", readyz), Route("/healthz", broken if status == 500 else readyz)]
    return Starlette(routes=[*routes, Route("/{rest:path}", tell)], lifespan=lifespan)


def client_of(gateway: Gateway) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(gateway)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/search", "query"),
        ("/v1/query", "query"),
        ("/v1/feedback", "query"),
        ("/v1/answers/7", "query"),
        ("/v1/quality/run", "query"),
        ("/v1/documents", "ingest"),
        ("/v1/queryable", "ingest"),
        ("/v1/jobs/7", "ingest"),
        ("/v1/collections/search", "ingest"),
        ("/openai/v1/models", "query"),
        ("/openai/v1/models/x", "query"),
        ("/openai/v1/chat/completions", "query"),
        ("/openai/v1/vector_stores/vs_1/search", "query"),
        ("/openai/v1/vector_stores", "ingest"),
        ("/openai/v1/vector_stores/search", "ingest"),
        ("/openai/v1/vector_stores/vs_1/files/search", "ingest"),
        ("/openai/v1/files", "ingest"),
        ("/mcp", "query"),
        ("/mcp/", "query"),
        ("/", "query"),
        ("/static/page.js", "query"),
        ("/metrics", "query"),
        ("/ingest/metrics", "ingest"),
        ("/query/openapi.json", "query"),
        ("*", "query"),
    ],
)
def test_a_path_belongs_to_one_service(path: str, expected: str) -> None:
    assert service_of(path) == expected


def test_nginx_sends_the_same_nouns_to_the_query_service() -> None:
    table = (ROOT / "deploy/nginx/nginx.conf").read_text(encoding="utf-8")
    found = re.search(r"location ~ \^/v1/\(([a-z|]+)\)\(/\|\$\)", table)
    assert found
    named = found[1].split("|")
    nouns = {"answers", "feedback", "quality", "query", "search"}
    assert set(named) == nouns
    assert all(service_of(f"/v1/{noun}") == "query" for noun in nouns)


async def test_a_request_reaches_its_service_with_its_path() -> None:
    async with client_of(Gateway(service("ingest"), service("query"))) as client:
        answer = (await client.get("/v1/jobs/7")).json()
    assert answer == {"service": "ingest", "path": "/v1/jobs/7", "root": "", "state": None}


async def test_each_service_is_reached_under_its_own_prefix() -> None:
    async with client_of(Gateway(service("ingest"), service("query", mine=UP))) as client:
        ready = (await client.get("/query/readyz")).json()
        other = (await client.get("/ingest/openapi.json")).json()
    assert ready["dependencies"] == {"mine": UP}
    assert (other["service"], other["root"]) == ("ingest", "/ingest")


async def test_readiness_joins_the_dependencies_of_both() -> None:
    gateway = Gateway(service("ingest", database=UP, redis=UP), service("query", qdrant=UP))
    async with client_of(gateway) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert set(answer.json()["dependencies"]) == {"database", "redis", "qdrant"}


@pytest.mark.parametrize("ingest_is_down", [True, False])
async def test_readiness_fails_when_either_is_not_ready(*, ingest_is_down: bool) -> None:
    well, ill = service("well", database=UP), service("ill", 503, database=DOWN)
    gateway = Gateway(ill, well) if ingest_is_down else Gateway(well, ill)
    async with client_of(gateway) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "dependencies": {"database": DOWN}}


async def test_a_service_that_breaks_counts_as_down() -> None:
    async with client_of(Gateway(service("ingest", 500), service("query"))) as client:
        answer = await client.get("/healthz")
    assert answer.status_code == 503


async def test_both_services_live_as_long_as_the_gateway() -> None:
    LIVED.clear()
    gateway = Gateway(service("ingest"), service("query"))
    inbox = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    said: list[str] = []
    states: list[str] = []

    async def receive() -> dict[str, str]:
        if said:
            async with client_of(gateway) as client:
                states.append((await client.get("/v1/search")).json()["state"])
        return next(inbox)

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        said.append(message["type"])

    await gateway({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert LIVED == ["ingest up", "query up", "query down", "ingest down"]
    assert states == ["query"]


async def test_a_service_that_cannot_start_is_told_of() -> None:
    def fail() -> None:
        raise RuntimeError("no database")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        fail()
        yield

    gateway = Gateway(service("ingest"), Starlette(lifespan=lifespan))
    said: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: object) -> None:
        said.append(message)

    with pytest.raises(RuntimeError):
        await gateway({"type": "lifespan"}, receive, send)
    assert said == [
        {"type": "lifespan.startup.failed", "message": "RuntimeError('no database')"},
    ]
