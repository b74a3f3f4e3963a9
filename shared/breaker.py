"""When to leave a failing upstream alone, so that not every request pays its time-out again."""

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge

FAILURES = 3
PAUSE_S = 30.0

BREAKERS_OPEN = Gauge(
    "citewell_open_breakers",
    "Breakers open now: their upstream failed three times in a row and has not worked since.",
    ("upstream",),
)
BREAKER_OPENINGS = Counter(
    "citewell_breaker_openings", "Times a breaker opened after being closed.", ("upstream",)
)


class Breaker:
    """Opens after `FAILURES` failures in a row, for some seconds; then one try may probe.

    It counts for this process alone: another one learns by itself, at the price of three tries.
    """

    def __init__(
        self, upstream: str, *, open_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin closed.

        `upstream` is a label of the metrics, `open_s` how long it stays open before a probe;
        `clock` tells seconds.
        """
        self._upstream = upstream
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether it failed too often and has not worked since, be its pause over or not."""
        return self._failures >= FAILURES

    @property
    def pause_s(self) -> float:
        """Seconds for which nobody may try; 0 when it is closed, or when one may probe."""
        return max(0.0, self._until - self._clock())

    def begin(self) -> None:
        """Note that a try begins: after a pause the others wait for what comes of it."""
        if self.is_open:
            self._until = self._clock() + self._open_s

    def succeed(self) -> None:
        """Close; what failed before is forgotten."""
        if self.is_open:
            BREAKERS_OPEN.labels(self._upstream).dec()
        self._failures = 0
        self._until = float("-inf")

    def fail(self) -> None:
        """Count one more failure."""
        was_open = self.is_open
        self._failures += 1
        if not self.is_open:
            return
        self._until = self._clock() + self._open_s
        if not was_open:
            BREAKERS_OPEN.labels(self._upstream).inc()
            BREAKER_OPENINGS.labels(self._upstream).inc()
