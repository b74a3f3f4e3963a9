"""Stores that the environment names: asked once before the start, so that a wrong URL is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import httpx
import psycopg
from redis.asyncio import Redis

from shared.errors import ConfigurationInvalid

PATIENCE_S = 10.0
_AUTH_REFUSED = {401, 403}


async def ask_outside(environment: Mapping[str, str]) -> dict[str, str]:
    """Ask every store that the environment names; return where each is, by its variable.

    Raises:
        ConfigurationInvalid: one does not answer or refuses us; the detail says which and why.
    """
    named = {name: ask for name, ask in _ASKED.items() if environment.get(name)}
    await asyncio.gather(*(_ask(name, ask, environment) for name, ask in named.items()))
    return {name: _place(environment[name]) for name in named}


async def _ask(
    name: str,
    ask: Callable[[Mapping[str, str]], Awaitable[None]],
    environment: Mapping[str, str],
) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ask(environment)
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigurationInvalid(f"{name} ({_place(environment[name])}): {said[0]}") from error


async def _ask_postgres(environment: Mapping[str, str]) -> None:
    url = environment["CITEWELL_DATABASE_URL"]
    async with await psycopg.AsyncConnection.connect(url, prepare_threshold=None):
        return


async def _ask_redis(environment: Mapping[str, str]) -> None:
    async with Redis.from_url(environment["CITEWELL_REDIS_URL"]) as redis:
        await redis.ping()


async def _ask_qdrant(environment: Mapping[str, str]) -> None:
    key = environment.get("CITEWELL_QDRANT_API_KEY")
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        url = environment["CITEWELL_QDRANT_URL"].rstrip("/")
        answer = await client.get(f"{url}/collections", headers={"api-key": key} if key else {})
    if answer.status_code in _AUTH_REFUSED:
        raise PermissionError("it refuses CITEWELL_QDRANT_API_KEY")
    answer.raise_for_status()


_ASKED: Mapping[str, Callable[[Mapping[str, str]], Awaitable[None]]] = {
    "CITEWELL_DATABASE_URL": _ask_postgres,
    "CITEWELL_REDIS_URL": _ask_redis,
    "CITEWELL_QDRANT_URL": _ask_qdrant,
}


def _place(url: str) -> str:
    """Return a URL's host and port, never its password."""
    there = urlsplit(url)
    return f"{there.hostname}:{there.port}" if there.port else str(there.hostname)
