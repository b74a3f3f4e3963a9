"""Small questions to a part: does it answer yet?"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from re import Pattern

from citewell.embedded.part_logs import PartLog
from citewell.embedded.parts import LOOPBACK

_TIMEOUT_S = 5.0
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - told apart, not bound


def address_of(door: socket.socket) -> tuple[str, int]:
    """Return host and port at which this machine reaches a listening socket."""
    host, port = door.getsockname()[:2]
    return _EVERYWHERE.get(host, host), port


def http_answers(
    address: tuple[str, int], path: str, headers: str = ""
) -> Callable[[], Awaitable[bool]]:
    """Return a probe that is content with a 200; `headers` are whole lines."""
    host, port = address
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n".encode()

    async def probe() -> bool:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return b" 200 " in await reader.readline()
            finally:
                writer.close()

    return probe


def log_says(log: PartLog, pattern: Pattern[bytes]) -> Callable[[], Awaitable[bool]]:
    """Return a probe that is content once the part has logged a matching line."""

    async def probe() -> bool:
        return log.says(pattern)

    return probe
