"""The server's door: HTTP in, one call of `routes` on a thread, Qdrant's envelope out."""

import logging
import time
from asyncio import CancelledError, create_task
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from hmac import compare_digest
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as HttpRoute

from citewell.embedded.qdrant.bodies import parse, render
from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.refusals import BodyTooLarge, KeyRefused, Refused, refusal_of
from citewell.embedded.qdrant.routes import ROUTES, Call, Route
from citewell.embedded.qdrant.upkeep import Upkeep

log = logging.getLogger(__name__)

# The release whose REST API is spoken; clients compare it with their own.
VERSION = "1.20.0"
_TITLE = "qdrant - vector search engine (citewell embedded)"
_LARGEST_BODY = 32 * 1024 * 1024  # Qdrant's own limit
_CLOSE_WITHIN_S = 1.5


def build_app(catalogue: Catalogue, *, api_key: str | None, quiet_s: float) -> Starlette:
    """Build the ASGI application; it closes the catalogue when it ends."""
    door = _Door(catalogue, api_key)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        upkeep = create_task(Upkeep(catalogue, quiet_s=quiet_s).run())
        yield
        upkeep.cancel()
        with suppress(CancelledError):
            await upkeep
        await run_in_threadpool(catalogue.close, within_s=_CLOSE_WITHIN_S)

    routes = [HttpRoute("/", _version), HttpRoute("/metrics", door.metrics)]
    routes += [HttpRoute(path, _healthy) for path in ("/healthz", "/readyz", "/livez")]
    routes += [
        HttpRoute(path, door.endpoint(path, methods), methods=list(methods))
        for path, methods in ROUTES.items()
    ]
    return Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _no_route}
    )


class _Door:
    """Reads requests, does calls, counts answers."""

    def __init__(self, catalogue: Catalogue, api_key: str | None) -> None:
        self._catalogue = catalogue
        self._api_key = api_key
        self._answers: Counter[tuple[str, str, int]] = Counter()

    def endpoint(self, path: str, methods: Mapping[str, Route]) -> Any:
        """Return the ASGI endpoint of one path."""

        async def endpoint(request: Request) -> Response:
            start = time.perf_counter()
            try:
                # Starlette lets HEAD in wherever GET is.
                route = methods.get(request.method) or methods["GET"]
                result = await self._answer(route, request)
                status, answer = 200, {"result": result, "status": "ok"}
            except Exception as error:  # noqa: BLE001 - every error is an answer of Qdrant's form
                status, answer = _refuse(error)
            self._answers[request.method, path, status] += 1
            return _json(status, {**answer, "time": time.perf_counter() - start})

        return endpoint

    async def metrics(self, request: Request) -> Response:
        """Say what the server did, in Prometheus' text form."""
        try:
            self._check_key(request)
        except KeyRefused as refusal:
            return _json(*_refuse(refusal))
        lines = [
            "# TYPE app_info gauge",
            f'app_info{{name="qdrant",version="{VERSION}"}} 1',
            "# TYPE collections_total gauge",
            f"collections_total {len(self._catalogue.names())}",
            "# TYPE rest_responses_total counter",
        ]
        lines += [
            f'rest_responses_total{{method="{m}",endpoint="{path}",status="{status}"}} {n}'
            for (m, path, status), n in sorted(self._answers.items())
        ]
        return PlainTextResponse("\n".join(lines) + "\n")

    async def _answer(self, route: Route, request: Request) -> Any:
        self._check_key(request)
        body = await _read(request)
        # The engine's calls and the parsing of a large body would hold up the event loop.
        return await run_in_threadpool(self._call, route, request.path_params, body)

    def _call(self, route: Route, path: Mapping[str, str], body: bytes) -> Any:
        try:
            return route(Call(self._catalogue, path, parse(body)))
        except Exception:
            raise
        except BaseException as panic:  # the engine's panics are no `Exception`
            raise RuntimeError("the engine panicked") from panic

    def _check_key(self, request: Request) -> None:
        if self._api_key is None:
            return
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.headers.get("api-key", bearer)
        if not compare_digest(given.encode(), self._api_key.encode()):
            raise KeyRefused("Must provide an API key or an Authorization bearer token")


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_BODY:
            raise BodyTooLarge(f"Payload error: JSON payload is larger than {_LARGEST_BODY} bytes")
    return bytes(body)


def _refuse(error: Exception) -> tuple[int, dict[str, Any]]:
    refusal = refusal_of(error)
    if refusal.status == Refused.status:
        log.error("a call failed", exc_info=error)
    return refusal.status, {"status": {"error": refusal.message}}


def _json(status: int, answer: Mapping[str, Any]) -> Response:
    return Response(render(answer), status, media_type="application/json")


async def _version(_: Request) -> Response:
    return _json(200, {"title": _TITLE, "version": VERSION})


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("healthz check passed")


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = "Not found: the embedded server does not speak this call"
    return _json(status, {"status": {"error": message}, "time": 0.0})
