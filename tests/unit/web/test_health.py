"""Health answers quickly whatever is down, and says only our own words."""

import asyncio
import time

from shared.errors import DatabaseUnavailable
from shared.web.health import Check, health_router
from tests.support.web import bare_app, client_of


async def up() -> None:
    pass


async def down() -> None:
    raise DatabaseUnavailable


async def hangs() -> None:
    await asyncio.sleep(60)


async def leaks() -> None:
    raise RuntimeError("postgres://user:hunter2@host/db")


async def ready(*checks: Check) -> tuple[int, dict[str, object]]:
    app = bare_app()
    app.include_router(health_router(lambda: checks))
    async with client_of(app) as client:
        response = await client.get("/readyz")
        return response.status_code, response.json()


async def test_alive_needs_nothing() -> None:
    app = bare_app()
    app.include_router(health_router(lambda: [Check("database", down)]))
    async with client_of(app) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        metrics = await client.get("/metrics")
        assert "citewell_http_request_seconds" in metrics.text


async def test_ready_when_everything_is_up() -> None:
    status, body = await ready(Check("database", up))
    assert (status, body["status"]) == (200, "ready")


async def test_a_missing_optional_dependency_degrades() -> None:
    status, body = await ready(Check("database", up), Check("redis", down, required=False))
    assert (status, body["status"]) == (200, "degraded")


async def test_a_missing_required_dependency_is_503_and_named() -> None:
    status, body = await ready(Check("database", down), Check("redis", up))
    assert (status, body["status"]) == (503, "unavailable")
    dependencies = body["dependencies"]
    assert isinstance(dependencies, dict)
    assert dependencies["database"]["code"] == "database_unavailable"
    assert dependencies["redis"]["status"] == "up"


async def test_hanging_dependencies_are_told_of_within_two_seconds() -> None:
    begun = time.monotonic()
    status, _ = await ready(Check("database", hangs), Check("blobs", hangs))
    assert status == 503
    assert time.monotonic() - begun < 2


async def test_what_a_probe_raises_is_not_shown() -> None:
    _, body = await ready(Check("database", leaks))
    assert "hunter2" not in str(body)
