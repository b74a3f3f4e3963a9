"""Request ids, limits, and what is told of a request."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from shared.web.limits import MAX_BODY_BYTES, says_more_than
from tests.support.web import bare_app, client_of


def make_app() -> FastAPI:
    app = bare_app(streaming_paths=["/stream"])

    @app.get("/items/{item}")
    async def item(item: str) -> dict[str, object]:
        return {"seen": get_contextvars().get("request_id")}

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("the other half is gone")

        return StreamingResponse(pieces())

    @app.post("/stream")
    @app.post("/whole")
    async def count(request: Request) -> int:
        return len(await request.body())

    return app


@pytest.fixture
def client() -> httpx.AsyncClient:
    return client_of(make_app())


async def test_a_senders_request_id_is_kept_and_on_every_log_line(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/items/1", headers={"X-Request-ID": "abc-123"})
    assert response.headers["x-request-id"] == "abc-123"
    assert response.json() == {"seen": "abc-123"}


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, 'a"b'])
async def test_a_malformed_request_id_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    response = await client.get("/items/1", headers={"X-Request-ID": bad})
    assert response.headers["x-request-id"] not in ("", bad)


async def test_one_line_is_logged_with_the_route_and_without_the_query(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs() as lines:
        await client.get("/items/7?token=secret")
    [line] = lines
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/items/{item}", 200)
    assert "secret" not in str(line)


async def test_metrics_count_routes_not_paths(client: httpx.AsyncClient) -> None:
    labels = {"service": "test", "method": "GET", "route": "/items/{item}", "status": "200"}
    name = "citewell_http_request_seconds_count"
    before = REGISTRY.get_sample_value(name, labels) or 0
    await client.get("/items/8")
    await client.get("/items/9")
    assert REGISTRY.get_sample_value(name, labels) == before + 2


async def test_an_answer_that_breaks_half_way_breaks_the_connection(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs() as lines, pytest.raises(RuntimeError):
        await client.get("/half")
    assert "request_failed" in [line["event"] for line in lines]


async def test_a_body_over_the_limit_is_refused_by_its_length(client: httpx.AsyncClient) -> None:
    response = await client.post("/whole", content=b"x" * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.json()["code"] == "file_too_large"


async def test_a_body_that_hides_its_length_is_stopped_at_the_limit(
    client: httpx.AsyncClient,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b"x" * 1024

    response = await client.post("/whole", content=pieces())
    assert response.status_code == 413


async def test_a_streaming_path_has_no_such_limit(client: httpx.AsyncClient) -> None:
    response = await client.post("/stream", content=b"x" * (MAX_BODY_BYTES + 1))
    assert response.json() == MAX_BODY_BYTES + 1


@pytest.mark.parametrize(
    ("header", "more"),
    [(None, False), ("", False), ("10", False), ("11", True), ("9" * 30, True), ("-5", False)],
)
def test_content_length_is_read_with_care(header: str | None, *, more: bool) -> None:
    assert says_more_than(header, 10) is more
