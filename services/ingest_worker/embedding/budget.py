"""The budget of one provider key: when the next request may go out, so that none is refused.

Requests and tokens are spread evenly over the minute (GCRA: each moves the earliest time of the
next by its own cost), which fits a provider's window or bucket whatever its burst. The limits are
those that are set, those that the provider's headers name, or, where nobody says, what it took
before it refused. `budget.lua` does the same in Redis, and both pass one contract suite.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.embeddings.rate_limits import Limit, RateLimits

MINUTE_S = 60.0
# Of the quota this much is used: a window that is cut another way then holds no more than all.
HEADROOM = 0.97
# Time unused that may be caught up on; little, for some providers cut their minute in seconds.
CREDIT_S = 0.25
# While nothing is known of a provider's limits, one request is out until it has answered.
LEARN_S = 30.0
# After a refusal: this much slower, once for all that were refused together.
SLOWER, SLOWER_EVERY_S, SLOWEST = 0.95, 2.0, 0.1
# After each answer: a little faster; much faster after many, if the limit is only a guess.
FASTER, MUCH_FASTER, MUCH_AFTER, FASTEST = 1.0005, 1.005, 100, 8.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
# A guess at a limit needs at least this much of time to be measured over.
MEASURED_S = 2.0


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests and tokens a minute; 0 is unlimited or unknown."""

    requests: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """When a request may be sent: `wait_s` from now, or, not `granted`, when to ask again."""

    granted: bool
    wait_s: float
    quota: Quota = Quota()


class Budget(Protocol):
    """What one key may spend; every process that uses the key asks the same budget."""

    async def take(self, tokens: int, *, most_wait_s: float) -> Turn:
        """Reserve one request of so many tokens, unless it would wait longer than `most_wait_s`."""
        ...

    async def pause_s(self) -> float:
        """Return how long nobody may send anything, 0 for not at all."""
        ...

    async def answered(self, *, extra_tokens: int, tokens: int, limits: RateLimits) -> None:
        """Note an answer that counted `tokens`, `extra_tokens` more than were reserved."""
        ...

    async def refused(self, limits: RateLimits, *, retry_after_s: float | None) -> None:
        """Note a refusal for too much: everyone waits, and goes on a little slower."""
        ...

    async def failed(self) -> None:
        """Note that a request failed for another reason."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


class NoLimit:
    """The budget of a model on this machine: whatever it can do."""

    async def take(self, tokens: int, *, most_wait_s: float) -> Turn:  # noqa: ARG002 - a port
        """Let it go."""
        return Turn(granted=True, wait_s=0.0)

    async def pause_s(self) -> float:
        """Return 0: there is nobody to wait for."""
        return 0.0

    async def answered(self, *, extra_tokens: int, tokens: int, limits: RateLimits) -> None:
        """Note nothing."""

    async def refused(self, limits: RateLimits, *, retry_after_s: float | None) -> None:
        """Note nothing."""

    async def failed(self) -> None:
        """Note nothing."""

    async def aclose(self) -> None:
        """Nothing is open."""


class LocalBudget:
    """The budget of this process alone: `share` of the limits, 1 for all of them."""

    def __init__(self, quota: Quota, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the limits that are set; start with nothing saved up."""
        self._set = quota
        self._clock = clock
        self.share = 1.0
        self.said = Quota()
        self._guessed = Quota()
        self._next = Quota(clock(), clock())
        self._paused_until = self._learning_until = 0.0
        self._known = False
        self._speed, self._answers, self._refusals = 1.0, 0, 0
        self._slowed_at = 0.0
        self._measured, self._since = Quota(), clock()

    async def take(self, tokens: int, *, most_wait_s: float) -> Turn:
        """Reserve one request of so many tokens, unless it would wait longer than `most_wait_s`."""
        now, quota = self._clock(), self._quota()
        if not (self._known or quota.requests or quota.tokens):
            if now < self._learning_until:
                return Turn(granted=False, wait_s=min(1.0, self._learning_until - now))
            self._learning_until = now + LEARN_S
        start = max(
            now,
            self._paused_until,
            self._next.requests if quota.requests else 0,
            self._next.tokens if quota.tokens else 0,
        )
        if start - now > most_wait_s:
            return Turn(granted=False, wait_s=start - now, quota=quota)
        self._next = Quota(
            max(self._next.requests, start - CREDIT_S) + self._cost_s(1, quota.requests),
            max(self._next.tokens, start - CREDIT_S) + self._cost_s(tokens, quota.tokens),
        )
        return Turn(granted=True, wait_s=start - now, quota=quota)

    async def pause_s(self) -> float:
        """Return how long nobody may send anything, 0 for not at all."""
        return max(0.0, self._paused_until - self._clock())

    async def answered(self, *, extra_tokens: int, tokens: int, limits: RateLimits) -> None:
        """Note an answer that counted `tokens`, `extra_tokens` more than were reserved."""
        now = self._clock()
        self._known, self._learning_until, self._refusals = True, 0.0, 0
        self._answers += 1
        self._learn(limits)
        self._speed_up()
        quota = self._quota()
        extra_s = self._cost_s(extra_tokens, quota.tokens)
        self._next = Quota(
            max(self._next.requests, now + _missing_s(limits.requests, 1, quota.requests)),
            max(self._next.tokens + extra_s, now + _missing_s(limits.tokens, tokens, quota.tokens)),
        )
        self._measured = Quota(self._measured.requests + 1, self._measured.tokens + tokens)
        if now - self._since > MINUTE_S / 2:
            self._measured = Quota(self._measured.requests / 2, self._measured.tokens / 2)
            self._since = (now + self._since) / 2

    async def refused(self, limits: RateLimits, *, retry_after_s: float | None) -> None:
        """Note a refusal for too much: everyone waits, and goes on a little slower."""
        now = self._clock()
        self._known, self._learning_until = True, 0.0
        self._learn(limits)
        own_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._refusals, 16))
        self._refusals += 1
        wait_s = retry_after_s or limits.reset_s or own_s
        self._paused_until = max(self._paused_until, now + wait_s)
        if now - self._slowed_at >= SLOWER_EVERY_S:
            self._slow_down(now)

    async def failed(self) -> None:
        """Note that a request failed for another reason."""
        self._learning_until = 0.0

    async def aclose(self) -> None:
        """Nothing is open."""

    def cost_s(self, tokens: int) -> float:
        """Return how long after a request of so many tokens the next one may come."""
        quota = self._quota()
        return max(self._cost_s(1, quota.requests), self._cost_s(tokens, quota.tokens)) * self.share

    def _slow_down(self, now: float) -> None:
        self._slowed_at, self._answers = now, 0
        if self._named():
            self._speed = max(SLOWEST, self._speed * SLOWER)
            return
        per_minute = MINUTE_S / max(MEASURED_S, now - self._since)
        old = self._guessed
        self._guessed = Quota(
            _guess(self._measured.requests * per_minute, old.requests * self._speed),
            _guess(self._measured.tokens * per_minute, old.tokens * self._speed),
        )
        self._speed, self._measured, self._since = 1.0, Quota(), now

    def _speed_up(self) -> None:
        if self._named():
            self._speed = min(1.0, self._speed * FASTER)
        else:
            faster = MUCH_FASTER if self._answers > MUCH_AFTER else FASTER
            self._speed = min(FASTEST, self._speed * faster)

    def _learn(self, limits: RateLimits) -> None:
        self.said = Quota(
            limits.requests.per_minute or self.said.requests,
            limits.tokens.per_minute or self.said.tokens,
        )

    def _named(self) -> bool:
        return any((self._set.requests, self._set.tokens, self.said.requests, self.said.tokens))

    def _quota(self) -> Quota:
        if not self._named():
            return self._guessed
        return Quota(
            _least(self._set.requests, self.said.requests) * self.share,
            _least(self._set.tokens, self.said.tokens) * self.share,
        )

    def _cost_s(self, amount: float, per_minute: float) -> float:
        if not per_minute:
            return 0.0
        return amount * MINUTE_S / (per_minute * HEADROOM * self._speed)


def _least(one: float, other: float) -> float:
    return min(one or other, other or one)


def _missing_s(limit: Limit, needed: float, per_minute: float) -> float:
    """Return how long until the provider has again what the next request needs."""
    if limit.remaining is None or not per_minute or limit.remaining >= needed:
        return 0.0
    needed_s = (needed - limit.remaining) * MINUTE_S / per_minute
    return min(needed_s, LONGEST_PAUSE_S if limit.reset_s is None else limit.reset_s)


def _guess(measured: float, old: float) -> float:
    """Return a limit's guess: what was measured, but never more nor much less than before."""
    return min(old * SLOWER, max(measured, old / 2)) if old else measured
