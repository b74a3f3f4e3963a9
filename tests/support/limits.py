"""A provider's hard limits, counted exactly: what is over is refused, and the headers say so.

A window holds so much in any `span_s` seconds; a bucket refills evenly and holds `span_s` of it.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MINUTE_S = 60.0


class Limiter(Protocol):
    """One limit of so much a minute."""

    per_minute: float

    def lacking_s(self, amount: float) -> float:
        """Return the seconds until so much would be let through, 0 for now."""
        ...

    def take(self, amount: float) -> None: ...

    def remaining(self) -> float: ...

    def reset_s(self) -> float: ...


@dataclass(slots=True)
class Window:
    """Any `span_s` seconds hold no more than their part of `per_minute`."""

    per_minute: float
    span_s: float = MINUTE_S
    _taken: deque[tuple[float, float]] = field(default_factory=deque)

    @property
    def most(self) -> float:
        return self.per_minute * self.span_s / MINUTE_S

    def lacking_s(self, amount: float) -> float:
        missing = amount - self.remaining()
        for at, taken in self._taken:
            if missing <= 0:
                break
            missing -= taken
            if missing <= 0:
                return max(0.001, at + self.span_s - time.monotonic())
        return 0.0 if missing <= 0 else self.span_s

    def take(self, amount: float) -> None:
        self._taken.append((time.monotonic(), amount))

    def remaining(self) -> float:
        while self._taken and self._taken[0][0] <= time.monotonic() - self.span_s:
            self._taken.popleft()
        return self.most - sum(amount for _, amount in self._taken)

    def reset_s(self) -> float:
        return self._taken[-1][0] + self.span_s - time.monotonic() if self._taken else 0.0


@dataclass(slots=True)
class Bucket:
    """Refills evenly and holds `span_s` seconds' worth."""

    per_minute: float
    span_s: float = MINUTE_S
    _spent: float = 0.0
    _at: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        return self.per_minute / MINUTE_S

    def lacking_s(self, amount: float) -> float:
        return max(0.0, amount - self.remaining()) / self.rate

    def take(self, amount: float) -> None:
        self._spent = self._left_to_refill() + amount
        self._at = time.monotonic()

    def remaining(self) -> float:
        return self.rate * self.span_s - self._left_to_refill()

    def reset_s(self) -> float:
        return self._left_to_refill() / self.rate

    def _left_to_refill(self) -> float:
        return max(0.0, self._spent - (time.monotonic() - self._at) * self.rate)


@dataclass(frozen=True, slots=True)
class Taken:
    """One request as it was met: `status` 200 or 429."""

    at: float
    status: int
    tokens: int
    inputs: int


@dataclass(slots=True)
class HardLimits:
    """What a key may spend, and a record of what it asked for."""

    requests: Limiter
    tokens: Limiter
    count: Callable[[str], int]
    says_limits: bool = True
    taken: list[Taken] = field(default_factory=list)

    def meet(self, texts: list[str]) -> tuple[int, dict[str, str]]:
        """Let a request through or not; return its status and headers."""
        tokens = sum(map(self.count, texts))
        lacking_s = max(self.requests.lacking_s(1), self.tokens.lacking_s(tokens))
        status = 429 if lacking_s > 0 else 200
        if status == 200:
            self.requests.take(1)
            self.tokens.take(tokens)
        self.taken.append(Taken(time.monotonic(), status, tokens, len(texts)))
        headers = self._headers() if self.says_limits else {}
        if status == 429:
            headers["retry-after-ms"] = f"{lacking_s * 1000:.0f}"
        return status, headers

    def used(self, begin: float = 0.1, end: float = 0.9) -> tuple[float, float]:
        """Return the parts of both quotas used while `begin` to `end` of all tokens were taken."""
        let = [one for one in self.taken if one.status == 200]
        total = sum(one.tokens for one in let)
        upto, inner = 0, []
        for one in let:
            upto += one.tokens
            if begin * total <= upto <= end * total:
                inner.append(one)
        minutes = (inner[-1].at - inner[0].at) / MINUTE_S
        tokens = sum(one.tokens for one in inner[1:])
        return (
            (len(inner) - 1) / minutes / self.requests.per_minute,
            tokens / minutes / self.tokens.per_minute,
        )

    def refused(self) -> float:
        """Return the part of all requests that was refused."""
        return sum(one.status == 429 for one in self.taken) / len(self.taken)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, limiter in (("requests", self.requests), ("tokens", self.tokens)):
            found |= {
                f"x-ratelimit-limit-{name}": f"{limiter.per_minute:.0f}",
                f"x-ratelimit-remaining-{name}": f"{max(0, limiter.remaining()):.0f}",
                f"x-ratelimit-reset-{name}": f"{limiter.reset_s() * 1000:.0f}ms",
            }
        return found
