"""One call to a server, tried as long as it is worth it; the only place that speaks HTTP."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import httpx
from pydantic import TypeAdapter, ValidationError

from citewell.client.errors import AnswerNotUnderstood, ProblemError, ServerUnreachable
from citewell.client.retries import Patience, Waits, retry_after_s
from shared.models import Problem

Result = TypeVar("Result")
Body = Callable[[], AsyncIterator[bytes]]
Pause = Callable[[float], Awaitable[None]]
# A long poll waits up to 60 s; the server needs a moment more to answer it.
TIMEOUT = httpx.Timeout(90.0, connect=5.0, pool=None)


@dataclass(frozen=True, slots=True)
class Call:
    """A request before it is sent; `idempotent` says that running it twice does no harm.

    `body` makes the streamed body anew for each try.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = True


class Transport:
    """Sends calls to one server with one credential."""

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        patience: Patience | None = None,
        pause: Pause = anyio.sleep,
    ) -> None:
        """Prepare connections; none is opened before the first call."""
        self.url = url.rstrip("/")
        self._patience = patience or Patience()
        self._pause = pause
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT,
            # A proxy of the environment cannot reach this machine's own loopback.
            trust_env=not _is_loopback(httpx.URL(self.url).host),
        )

    async def send(self, call: Call) -> httpx.Response:
        """Return the first success.

        Raises:
            ProblemError: the server refuses, or stays busy for longer than the patience.
            ServerUnreachable: no answer came.
        """
        return await self._succeed(call, streamed=False)

    async def send_once(self, call: Call) -> httpx.Response:
        """Return what the first try brings, a refusal too; raises ServerUnreachable for nothing."""
        try:
            return await self._http.send(self._request(call))
        except httpx.TransportError as error:
            raise ServerUnreachable(self.url, _reason(error)) from error

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        """Open the first success without reading its body; raises as `send` does."""
        response = await self._succeed(call, streamed=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def lines(self, call: Call) -> AsyncGenerator[str, None]:
        """Yield the lines of the first success as they come; raises as `send` does.

        A cut ends them as the server itself does: whoever must know the difference has a sign.
        """
        async with self.stream(call) as response:
            with suppress(httpx.TransportError):
                async for line in response.aiter_lines():
                    yield line

    async def pause(self, seconds: float) -> None:
        """Wait, as between two tries."""
        await self._pause(seconds)

    async def _succeed(self, call: Call, *, streamed: bool) -> httpx.Response:
        waits = Waits(self._patience, idempotent=call.idempotent)
        while True:
            try:
                response = await self._http.send(self._request(call), stream=True)
                if response.is_success and streamed:
                    return response
                await response.aread()
            except httpx.TransportError as error:
                delay = waits.after_error(error)
                if delay is None:
                    raise ServerUnreachable(self.url, _reason(error)) from error
            else:
                if response.is_success:
                    return response
                delay = waits.after_answer(response)
                if delay is None:
                    raise ProblemError(_problem(response), retry_after_s=retry_after_s(response))
            await self._pause(delay)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    def _request(self, call: Call) -> httpx.Request:
        return self._http.build_request(
            call.method,
            call.path,
            params={name: value for name, value in call.query.items() if value is not None},
            json=call.json,
            content=call.body() if call.body else None,
            headers=dict(call.headers),
        )


def understand(adapter: TypeAdapter[Result], content: bytes) -> Result:
    """Read an answer as what it should be; fields not known here are ignored.

    Raises:
        AnswerNotUnderstood: the answer has not the form the wire contract gives it.
    """
    try:
        return adapter.validate_json(content, extra="ignore")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        message = f"The answer is not in Citewell's form: {where}: {first['msg']}"
        raise AnswerNotUnderstood(message) from error


class Calls:
    """Speaks to one server with one key; use it as a context manager, or call `aclose`."""

    def __init__(self, url: str, *, key: str = "", patience: Patience | None = None) -> None:
        """Take the server's address (its gateway, or one service) and an API key or JWT."""
        self._transport = Transport(url, key=key, patience=patience)

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        """Return the client itself; nothing is connected before the first call."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _get(self, path: str, adapter: TypeAdapter[Result], **query: object) -> Result:
        return await self._send(Call("GET", path, query=query), adapter)

    async def _send(self, call: Call, adapter: TypeAdapter[Result]) -> Result:
        response = await self._transport.send(call)
        return understand(adapter, response.content)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not None: what is left out is for the server to decide."""
    return {name: value for name, value in values.items() if value is not None}


_PROBLEM = TypeAdapter(Problem)


def _problem(response: httpx.Response) -> Problem:
    try:
        return _PROBLEM.validate_json(response.content, extra="ignore")
    except ValidationError:
        return _foreign_problem(response)


def _foreign_problem(response: httpx.Response) -> Problem:
    """Word a refusal that did not come from Citewell: a proxy's page, another server's JSON."""
    try:
        said = json.dumps(response.json())
    except ValueError:
        said = response.text
    return Problem(
        type="about:blank",
        title=f"{response.status_code} {response.reason_phrase}".strip(),
        status=response.status_code,
        detail=" ".join(said.split())[:300] or "The answer has no body.",
        code="internal_error",
        retryable=False,
        who="operator",
        hint="Is this the address of a Citewell server, or does a proxy stand before it?",
    )


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
