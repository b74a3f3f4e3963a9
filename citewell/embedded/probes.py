"""Small questions to a part: does it answer yet?"""

import asyncio
from collections.abc import Awaitable, Callable
from re import Pattern
from typing import Any

from citewell.embedded.part_logs import PartLog

_TIMEOUT_S = 5.0


def http_answers(
    address: tuple[Any, ...], path: str, headers: str = ""
) -> Callable[[], Awaitable[bool]]:
    """Return a probe that is content with a 200 from a socket's address; headers are whole lines.

    A socket that listens on every address is asked at that address, which means this machine.
    """
    host, port = address[:2]
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
