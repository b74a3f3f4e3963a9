"""The budget that all worker processes and hosts share, in Redis; and what holds without it.

Nothing in there may not be lost: after a flush it begins anew, with nothing saved up, and the
provider's next answer says its limits again. While Redis is down each process keeps to its part.
"""

import hashlib
import time
from functools import cache
from importlib.resources import files
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.ingest_worker.embedding.budget import LocalBudget, Quota, Turn
from shared.embeddings.rate_limits import Limit, RateLimits
from shared.errors import ConfigurationInvalid

log = structlog.get_logger(__name__)

ANSWER_S = 0.5
# After Redis did not answer it is not asked for so long: work is not to wait for each try.
AWAY_S = 5.0

Number = float | None


@cache
def script() -> str:
    """Return the Lua text."""
    return (files("services.ingest_worker.embedding") / "budget.lua").read_text()


def budget_name(api_key: str, base_url: str, model: str) -> str:
    """Return the name of a key's budget for a model: a hash, from which nobody learns the key."""
    told = f"{base_url.rstrip('/')}\n{api_key}\n{model}".encode()
    return hashlib.sha256(told).hexdigest()[:32]


class RedisBudget:
    """One key's budget in Redis; the process's part of it while Redis does not answer."""

    def __init__(self, url: str, name: str, quota: Quota) -> None:
        """Take the broker's URL; nothing connects yet.

        Raises:
            ConfigurationInvalid: the URL is none of Redis.
        """
        try:
            self._redis = Redis.from_url(
                url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S
            )
        except ValueError as error:
            raise ConfigurationInvalid(f"CITEWELL_REDIS_URL: {error}") from error
        self._script = self._redis.register_script(script())
        # In braces: a Redis cluster keeps both in one place.
        self._keys = [f"citewell:budget:{{{name}}}", f"citewell:budget:{{{name}}}:processes"]
        self._quota = quota
        self._process = uuid4().hex
        self._own = LocalBudget(quota)
        # Until when turns were given out: after a flush they still stand.
        self._reserved_until = 0.0
        self._away_until = 0.0

    async def take(self, tokens: int, *, most_wait_s: float) -> Turn:
        """Reserve one request of so many tokens, unless it would wait longer than `most_wait_s`."""
        ahead_s = max(0.0, self._reserved_until - time.monotonic())
        said = self._own.said
        reply = await self._ask("take", tokens, most_wait_s, ahead_s, said.requests, said.tokens)
        if reply is None:
            return await self._own.take(tokens, most_wait_s=most_wait_s)
        granted, wait_s, requests, per_minute = reply[:4]
        turn = Turn(bool(granted), wait_s, Quota(requests, per_minute))
        if turn.granted:
            self._reserved_until = time.monotonic() + wait_s + self._own.cost_s(tokens)
        return turn

    async def pause_s(self) -> float:
        """Return how long nobody may send anything, 0 for not at all."""
        reply = await self._ask("pause")
        return await self._own.pause_s() if reply is None else reply[1]

    async def answered(self, *, extra_tokens: int, tokens: int, limits: RateLimits) -> None:
        """Note an answer that counted `tokens`, `extra_tokens` more than were reserved."""
        told = (*_numbers(limits.requests), *_numbers(limits.tokens))
        if await self._ask("answered", extra_tokens, tokens, *told) is None:
            await self._own.answered(extra_tokens=extra_tokens, tokens=tokens, limits=limits)

    async def refused(self, limits: RateLimits, *, retry_after_s: float | None) -> None:
        """Note a refusal for too much: everyone waits, and goes on a little slower."""
        wait_s = retry_after_s or limits.reset_s
        told = (limits.requests.per_minute, limits.tokens.per_minute)
        if await self._ask("refused", wait_s, *told) is None:
            await self._own.refused(limits, retry_after_s=retry_after_s)

    async def failed(self) -> None:
        """Note that a request failed for another reason."""
        if await self._ask("failed") is None:
            await self._own.failed()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _ask(self, verb: str, *numbers: Number) -> list[float] | None:
        """Run the script; None while Redis does not answer."""
        if time.monotonic() < self._away_until:
            return None
        told: list[str | float] = [verb, self._process, self._quota.requests, self._quota.tokens]
        known = ["" if number is None else number for number in numbers]
        arguments: list[str | float] = [*told, *known]
        try:
            reply = [float(part) for part in await self._script(self._keys, arguments)]
        except (RedisError, OSError) as error:
            log.warning("budget_kept_alone", error=str(error))
            self._away_until = time.monotonic() + AWAY_S
            return None
        self._remember(reply)
        return reply

    def _remember(self, reply: list[float]) -> None:
        """Keep what a process needs to go on alone: its part, and the limits once named."""
        self._own.share = 1 / max(1.0, reply[4])
        self._own.said = Quota(reply[5], reply[6])


def _numbers(limit: Limit) -> tuple[Number, Number, Number]:
    return limit.per_minute, limit.remaining, limit.reset_s
