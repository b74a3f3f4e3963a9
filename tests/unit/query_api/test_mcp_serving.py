"""When the SDK's server starts, whoever asks first, and what becomes of one that cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from services.query_api.mcp import door
from services.query_api.mcp.door import Manager, McpServing
from tests.support.waiting import until

running: list[str] = []


class Tools:
    """Nothing to close."""

    async def aclose(self) -> None:
        running.append("closed")


class Server:
    """Starts at its second try, and not at once."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        running.append("tried")
        await asyncio.sleep(0.2)
        if running.count("tried") == 1:
            raise OSError("Not yet.")
        yield
        running.append("ended")

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError


def build_manager(_: Tools) -> Manager:
    """As `mcp.server` has it: the door is told to load this module."""
    return Server()


async def test_a_server_is_started_once_whoever_leaves_and_again_where_it_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "SERVER", __name__)
    running.clear()
    serving = McpServing(Tools())
    async with asyncio.timeout(5):
        with pytest.raises(OSError, match="Not yet"):
            await serving.manager()
        leaving = asyncio.create_task(serving.manager())
        await until(lambda: running.count("tried") == 2)
        leaving.cancel()
        one, other = await asyncio.gather(serving.manager(), serving.manager())
        assert one is other
        await serving.aclose()
    assert running == ["tried", "tried", "ended", "closed"]
