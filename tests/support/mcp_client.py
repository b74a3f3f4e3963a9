"""The official MCP client, speaking to an app that is served on a port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent


@asynccontextmanager
async def mcp_client(url: str, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    """Connect with a credential; `mode` is `legacy` for the handshake of 2025."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


def structured(result: CallToolResult) -> dict[str, Any]:
    """Return what a tool gave for programs, and expect that it worked."""
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


def refused(result: CallToolResult) -> str:
    """Return the code of the problem a tool ended with."""
    assert result.is_error
    code = str(result.structured_content["code"])
    assert words(result).startswith(f"{code}: ")
    assert "Traceback" not in words(result)
    return code


def words(result: CallToolResult) -> str:
    """Return what a tool gave for reading."""
    return "\n".join(one.text for one in result.content if isinstance(one, TextContent))


def links(result: CallToolResult) -> list[str]:
    """Return the addresses a tool gave."""
    return [str(one.uri) for one in result.content if isinstance(one, ResourceLink)]


def pictures(result: CallToolResult) -> list[ImageContent]:
    """Return the pictures a tool gave."""
    return [one for one in result.content if isinstance(one, ImageContent)]
