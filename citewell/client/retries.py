"""When a failed call is worth another try, and after how long.

Exponential back-off with jitter, so that many clients do not come back at the same moment; a
server's `Retry-After` is a lower bound. Pure decisions: whoever sends does the waiting.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom

import httpx

BUSY = frozenset({429, 503})
# These pass by themselves only where they say when: a request under way, a disk to be cleared.
PASSING = frozenset({409, 507})
# Without a problem in it, such an answer is a gateway's own: the service behind it is away.
GATEWAY = frozenset({502, 504})
PROBLEM = "application/problem+json"
# Nothing was sent yet, so that even a call that must not run twice may be tried again.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Jitter = Callable[[], float]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call goes on trying, in seconds: against a busy server, and an absent one."""

    busy_s: float = 60.0
    unreachable_s: float = 10.0
    first_s: float = 0.25
    longest_s: float = 10.0


@dataclass(slots=True)
class Waits:
    """The waits of one call so far; asked after each failure for the next one."""

    patience: Patience
    idempotent: bool
    jitter: Jitter = SystemRandom().random
    clock: Clock = time.monotonic
    tries: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = self.clock()

    def after_error(self, error: httpx.TransportError) -> float | None:
        """Return the seconds to wait after no answer came, or None to give up."""
        if isinstance(error, httpx.UnsupportedProtocol):
            return None
        if not (self.idempotent or isinstance(error, NEVER_SENT)):
            return None
        return self._next(self.patience.unreachable_s)

    def after_answer(self, response: httpx.Response) -> float | None:
        """Return the seconds to wait after this refusal, or None when it is final."""
        told_s = retry_after_s(response)
        if response.status_code in BUSY or (response.status_code in PASSING and told_s is not None):
            return self._next(self.patience.busy_s, at_least=told_s or 0.0)
        if self._gateway_only(response):
            return self._next(self.patience.unreachable_s)
        return None

    def _gateway_only(self, response: httpx.Response) -> bool:
        is_problem = response.headers.get("content-type", "").startswith(PROBLEM)
        return self.idempotent and response.status_code in GATEWAY and not is_problem

    def _next(self, patience_s: float, *, at_least: float = 0.0) -> float | None:
        step = min(self.patience.longest_s, self.patience.first_s * 2**self.tries)
        self.tries += 1
        delay = max(at_least, step / 2) + self.jitter() * step / 2
        spent = self.clock() - self.started
        return delay if spent + delay <= patience_s else None


def retry_after_s(response: httpx.Response) -> float | None:
    """Read `Retry-After`, in either of its forms, as seconds from now."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
