"""`/mcp`: who comes in is known before the SDK hears of it, and the SDK is loaded when needed."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.query_api.leaving import while_connected
from services.query_api.mcp.values import CALLER, Caller
from shared.auth.authenticator import Authenticator
from shared.auth.principal import Scope as Right
from shared.errors import CitewellError, Forbidden
from shared.problems import problem_of
from shared.settings_mcp import McpSettings
from shared.web.problems import problem_response

PATH = "/mcp"
# It takes about half a second and 20 MB to load, which most processes never need.
SERVER = "services.query_api.mcp.server"


class Manager(Protocol):
    """What serves MCP; `server.build_manager` makes one."""

    def run(self) -> AbstractAsyncContextManager[None]:
        """Serve for as long as the block is open."""
        ...

    def handle_request(
        self, scope: Scope, receive: Receive, send: Send
    ) -> Coroutine[Any, Any, None]:
        """Answer one request."""
        ...


class Tools(Protocol):
    """What is served; `tools.Toolbox` is it."""

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class McpServing:
    """The SDK's server: loaded and started by the first request, stopped with the process."""

    def __init__(self, toolbox: Tools) -> None:
        """Take the tools; nothing is loaded yet."""
        self._toolbox = toolbox
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._started: asyncio.Future[Manager]

    async def manager(self) -> Manager:
        """Return what serves, started; if it could not be, the next call tries again."""
        if self._running is None or self._running.done():
            self._started = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._started))
        # Who leaves takes it from nobody else.
        return await asyncio.shield(self._started)

    async def aclose(self) -> None:
        """Stop what is under way."""
        self._stop.set()
        if self._running is not None:
            await asyncio.wait({self._running})
        await self._toolbox.aclose()

    async def _run(self, started: "asyncio.Future[Manager]") -> None:
        """Hold the server's tasks: the task that opens their group has to close it."""
        try:
            loaded: Any = await asyncio.to_thread(import_module, SERVER)
            manager: Manager = loaded.build_manager(self._toolbox)
            async with manager.run():
                started.set_result(manager)
                await self._stop.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)


class McpDoor:
    """The ASGI app of the path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        context: Any = scope["app"].state.context
        settings: McpSettings = context.mcp_settings
        headers = Headers(scope=scope)
        if scope["method"] != "POST":
            # Without sessions there is no stream to open and nothing to end.
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        try:
            _check_origin(headers, settings)
            caller = await _caller(headers, context.authenticator)
        except CitewellError as error:
            await problem_response(problem_of(error))(scope, receive, send)
            return
        serving: McpServing = context.mcp
        manager = await serving.manager()
        # With JSON answers the SDK lets who leaves pay on. The body first: both would receive it.
        request = Request(scope, receive)
        again = _after(await request.body(), receive)
        served = manager.handle_request({**scope, CALLER: caller}, again, send)
        await while_connected(request, served)


def _after(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read, and then what comes."""
    read: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return read.pop() if read else await receive()

    return received


async def _caller(headers: Headers, authenticator: Authenticator) -> Caller:
    authorization = headers.get("authorization")
    principal = await authenticator.authenticate(authorization)
    if not principal.may(Right.QUERY):
        raise Forbidden("MCP needs the scope `query`.")
    return Caller(principal, authorization or "")


def _check_origin(headers: Headers, settings: McpSettings) -> None:
    """Refuse another site's page, as the transport asks for (MCP, transports, security).

    Raises:
        Forbidden: it comes from an origin that is neither this one nor in the settings.
    """
    origin = headers.get("origin")
    if origin is None or origin in settings.origins:
        return
    # An origin is a scheme and a host, nothing else (RFC 6454).
    if origin.partition("://")[2] != headers.get("host"):
        raise Forbidden("Pages of this origin may not come in; see CITEWELL_MCP_ORIGINS.")
