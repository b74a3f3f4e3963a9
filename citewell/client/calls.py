"""What every call of the client stands on: one transport, and answers read as what they are."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from citewell.client.retries import Patience
from citewell.client.transport import Call, Transport, understand

# The largest page the server gives.
MOST_ITEMS = 100
Id = UUID | str
Result = TypeVar("Result")


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
