"""`/healthz`, `/readyz` and `/metrics` of a service: open, and quick whatever is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from shared.errors import CitewellError

# A dead dependency must be told of within two seconds.
PROBE_TIMEOUT_S = 1.5

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.health")


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency: `probe` returns when it works, perhaps with a word on how, and raises when not.

    Without a `required` one the service is not ready; without another it is degraded.
    """

    name: str
    probe: Callable[[], Awaitable[str | None]]
    required: bool = True


class DependencyStatus(BaseModel):
    """How one dependency is."""

    status: Literal["up", "down"]
    required: bool
    latency_ms: float = Field(description="Time of the probe, milliseconds.")
    code: str | None = Field(default=None, description="The problem's code when it is down.")
    detail: str | None = None


class ReadyResponse(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ready", "degraded", "unavailable"]
    dependencies: dict[str, DependencyStatus]


class AliveResponse(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


def health_router(checks: Callable[[], Sequence[Check]]) -> APIRouter:
    """Return the routes; `checks` is asked at each `/readyz`, so a lifespan may make them later."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> AliveResponse:
        return AliveResponse()

    @router.get(
        "/readyz",
        summary="Does everything it depends on work?",
        responses={503: {"model": ReadyResponse, "description": "A required dependency is down."}},
    )
    async def readyz(response: Response) -> ReadyResponse:
        ready = await readiness(checks())
        if ready.status == "unavailable":
            response.status_code = 503
        return ready

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def readiness(checks: Sequence[Check]) -> ReadyResponse:
    """Probe every dependency at once, each for at most `PROBE_TIMEOUT_S`."""
    found = await asyncio.gather(*(_probe(check) for check in checks))
    down = [status for status in found if status.status == "down"]
    if any(status.required for status in down):
        verdict: Literal["ready", "degraded", "unavailable"] = "unavailable"
    else:
        verdict = "degraded" if down else "ready"
    names = [check.name for check in checks]
    return ReadyResponse(status=verdict, dependencies=dict(zip(names, found, strict=True)))


async def _probe(check: Check) -> DependencyStatus:
    started = time.perf_counter()
    failure: Exception | None = None
    told: str | None = None
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            told = await check.probe()
    except Exception as error:  # noqa: BLE001
        # Whatever a probe raises means down; the door is open, so only our own words go out.
        failure = error
        logger.warning("dependency_down", dependency=check.name, error=repr(error))
    return DependencyStatus(
        status="down" if failure else "up",
        required=check.required,
        latency_ms=round((time.perf_counter() - started) * 1000, 1),
        code=failure.code if isinstance(failure, CitewellError) else None,
        detail=_detail(failure) if failure else told,
    )


def _detail(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return f"No answer within {PROBE_TIMEOUT_S} s."
    return failure.detail if isinstance(failure, CitewellError) else "The probe failed."
