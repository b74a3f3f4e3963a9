"""One origin for both services in one process: an ASGI app that routes by path.

Both services' health is merged; each one's own health, metrics and OpenAPI are under `/ingest/…`
and `/query/…`. The table of paths is that of `deploy/nginx`.
"""

import argparse
import asyncio
import json
import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.importer import import_from_string

# Long answers have this long to end when the process is asked to stop.
GRACE_S = 3
_QUERY_V1 = frozenset({"search", "query", "answers", "feedback", "quality"})
_QUERY_OPENAI = frozenset({"models", "chat"})
_HEALTH = frozenset({"/healthz", "/readyz"})
_UNAVAILABLE = 503
_WORST_FIRST = ("unavailable", "degraded", "ready")


def service_of(path: str) -> str:
    """Return which service answers a path: `ingest` or `query`; the page and the rest are query's.

    >>> service_of("/v1/documents"), service_of("/v1/search"), service_of("/openai/v1/models")
    ('ingest', 'query', 'query')
    """
    match path.split("/")[1:]:
        case ["v1", noun, *_]:
            return "query" if noun in _QUERY_V1 else "ingest"
        case ["openai", "v1", noun, *_] if noun in _QUERY_OPENAI:
            return "query"
        case ["openai", "v1", "vector_stores", _, "search"]:
            return "query"
        case ["openai", *_] | ["ingest", *_]:
            return "ingest"
        case _:
            return "query"


class Gateway:
    """Both services behind one door; runs their lifespans as its own."""

    def __init__(self, ingest: Starlette, query: Starlette) -> None:
        """Take the two apps."""
        self._apps = {"ingest": ingest, "query": query}
        self._states: dict[str, Mapping[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"] in _HEALTH:
            await self._tell_health(scope, receive, send)
        else:
            await self._pass_on(service_of(scope["path"]), scope, receive, send)

    async def _pass_on(self, service: str, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "state": dict(self._states.get(service, {}))}
        if scope["path"].startswith(f"/{service}/"):
            scope["root_path"] = f"{scope.get('root_path', '')}/{service}"
        await self._apps[service](scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for name, app in self._apps.items():
                    state = await stack.enter_async_context(_lifespan(app))
                    self._states[name] = state or {}
            except BaseException as error:
                await send({"type": "lifespan.startup.failed", "message": repr(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _tell_health(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (_ask(app, self._child(name, scope)) for name, app in self._apps.items())
        answers = dict(zip(self._apps, await asyncio.gather(*asked), strict=True))
        status = max(status for status, _ in answers.values())
        bodies = {name: body for name, (_, body) in answers.items()}
        merged = _merged(bodies) if scope["path"] == "/readyz" else {"status": "alive"}
        await JSONResponse(merged, status)(scope, receive, send)

    def _child(self, name: str, scope: Scope) -> Scope:
        return {**scope, "method": "GET", "state": dict(self._states.get(name, {}))}


def _lifespan(app: Starlette) -> AbstractAsyncContextManager[Mapping[str, Any] | None]:
    return app.router.lifespan_context(app)


def _merged(bodies: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Merge two `/readyz` answers: the worse verdict, and of each dependency the worse news."""
    dependencies: dict[str, Any] = {}
    for body in bodies.values():
        for name, told in body.get("dependencies", {}).items():
            if name not in dependencies or told.get("status") == "down":
                dependencies[name] = told
    verdicts = {body.get("status", "unavailable") for body in bodies.values()}
    worst = next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "unavailable")
    return {"status": worst, "dependencies": dependencies}


async def _ask(app: ASGIApp, scope: Scope) -> tuple[int, dict[str, Any]]:
    """Ask one app in this process and return its status and JSON."""
    status = _UNAVAILABLE
    body = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    try:
        await app(scope, receive, send)
        return status, json.loads(body)
    except Exception:  # noqa: BLE001 - whatever it raised, its log has it; here it means down
        return _UNAVAILABLE, {}


def main() -> None:
    """Serve both services on a listening socket that was handed down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--ingest", default="services.ingest_worker.app:app")
    parser.add_argument("--query", default="services.query_api.app:app")
    chosen = parser.parse_args()
    gateway = Gateway(import_from_string(chosen.ingest), import_from_string(chosen.query))
    config = uvicorn.Config(
        gateway,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=chosen.fd)])


if __name__ == "__main__":
    main()
