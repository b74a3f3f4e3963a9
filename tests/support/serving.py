"""A started app on a port of this machine, and the events it streams."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """Serve a started app; yields its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listening.close()


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a stream; `id` is None where it has none."""

    name: str
    data: dict[str, Any]
    id: str | None


async def told(response: httpx.Response) -> AsyncIterator[Told]:
    """Yield the events of a stream; a comment is told as an event `comment`."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
            continue
        if "data" in fields:
            yield Told(fields["event"], json.loads(fields["data"]), fields.get("id"))
        elif "comment" in fields:
            yield Told("comment", {}, None)
        fields = {}
