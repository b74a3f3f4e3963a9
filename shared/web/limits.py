"""A limit on bodies that are read into memory; routes that stream have limits of their own."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import PayloadTooLarge
from shared.problems import problem_of
from shared.web.problems import path_of, problem_response

MAX_BODY_BYTES = 1024 * 1024


class BodyLimitMiddleware:
    """Refuses larger bodies: at once where they say their length, else when it is passed."""

    def __init__(self, app: ASGIApp, *, streaming_paths: Collection[str]) -> None:
        """Wrap an app; requests for `streaming_paths` are let through as they are."""
        self._app = app
        self._streaming_paths = frozenset(streaming_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or path_of(scope) in self._streaming_paths:
            await self._app(scope, receive, send)
            return
        if says_more_than(Headers(scope=scope).get("content-length"), MAX_BODY_BYTES):
            problem = problem_of(_too_large())
            await problem_response(problem, path=path_of(scope))(scope, receive, send)
            return
        await self._app(scope, _Counted(receive).receive, send)


def says_more_than(content_length: str | None, limit: int) -> bool:
    """Tell whether a `Content-Length` header announces more than `limit` bytes."""
    return length_said(content_length) > limit


def length_said(content_length: str | None) -> int:
    """Return the bytes that a `Content-Length` header announces; 0 where it says none."""
    said = content_length or ""
    return int(said[:20]) if said.isascii() and said.isdigit() else 0


class _Counted:
    """Counts a body that does not say its length, and stops it at the limit."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY_BYTES:
            raise _too_large()
        return message


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"A body here may hold at most {MAX_BODY_BYTES} bytes.")
