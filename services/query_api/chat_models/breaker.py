"""When to leave a failing provider alone, so that not every question pays its time-out again."""

import time
from collections.abc import Callable

FAILURES = 3
PAUSE_S = 30.0


class Breaker:
    """Opens after `FAILURES` failures in a row, for `PAUSE_S` seconds; then one try may probe.

    It counts for this process alone: another one learns by itself, at the price of three tries.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin closed; `clock` tells seconds."""
        self._clock = clock
        self._failures = 0
        self._until = float("-inf")

    @property
    def pause_s(self) -> float:
        """Seconds for which it stays open; 0 when it is closed."""
        return max(0.0, self._until - self._clock())

    def begin(self) -> None:
        """Note that a try begins: after a pause the others wait for what comes of it."""
        if self._failures >= FAILURES:
            self._until = self._clock() + PAUSE_S

    def succeed(self) -> None:
        """Close; what failed before is forgotten."""
        self._failures = 0
        self._until = float("-inf")

    def fail(self) -> None:
        """Count one more failure."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = self._clock() + PAUSE_S
