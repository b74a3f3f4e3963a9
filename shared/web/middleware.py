"""Around every request: its id on each log line, its time in the metrics, one line when it ends.

Pure ASGI, so that streams stay streams.
"""

import re
import time
import uuid
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.problems import problem_of
from shared.telemetry.logs import log_context
from shared.telemetry.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS_UNDER_WAY
from shared.web.problems import path_of, problem_response

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked every few seconds by machines; told only when they fail.
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
_ERROR = 500

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.http")


class RequestMiddleware:
    """Gives a request its id, answers what nobody caught, and tells how it went.

    A well-formed `X-Request-ID` from the sender is kept, so one id follows a request through both
    services; the answer carries it too.
    """

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        """Wrap an app; `service` is a label of its metrics."""
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with (
            log_context(request_id=request_id),
            HTTP_REQUESTS_UNDER_WAY.labels(self._service).track_inprogress(),
        ):
            try:
                await self._serve(scope, receive, answer)
            finally:
                self._tell(scope, answer, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            # Nobody is there to be answered; it is told as 499.
            return
        except Exception as error:
            logger.exception("request_failed", error=type(error).__name__)
            if answer.status is not None:
                # Half an answer is out: only a broken connection tells the reader so.
                raise
            told = problem_response(problem_of(error), path=path_of(scope))
            await told(scope, receive, answer.send)

    def _tell(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status = answer.status or 499
        HTTP_REQUEST_SECONDS.labels(self._service, method, route, str(status)).observe(seconds)
        if route in _QUIET_ROUTES and status < _ERROR:
            return
        logger.info(
            "request",
            method=method,
            route=route,
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
        )


class _Answer:
    """Sends on what the app sends, with the request's id among the headers."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self._request_id
        await self._send(message)


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """Return the route's template: a path would make one time series of each id."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))
