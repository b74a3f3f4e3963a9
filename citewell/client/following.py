"""Reading a stream of server-sent events (WHATWG HTML, 9.2)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event as it came: its name, its data, and its id where it has one."""

    name: str
    data: bytes
    id: str | None


async def streamed_events(lines: AsyncGenerator[str, None]) -> AsyncGenerator[StreamedEvent, None]:
    """Yield the events that lines make up; one that was cut before its empty line is left out."""
    fields: dict[str, str] = {}
    async with aclosing(lines):
        async for line in lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if "data" in fields:
                yield StreamedEvent(
                    fields.get("event", ""), fields["data"].encode(), fields.get("id")
                )
            fields = {}
