"""What a failure means for waiting work: how long to wait, and for whom."""

import random
from typing import Literal

from shared.errors import CitewellError, StorageUnavailable, Unavailable, VectorStoreUnavailable
from shared.models import WaitingFor

LONGEST_BACK_OFF_S = 60.0
# Nothing changes here until a person acts; asked again now and then, so that it goes on by itself.
OPERATOR_PAUSE_S = 60.0

Waits = Literal["provider", "operator", "store"]


def back_off_s(attempts: int, *, first_s: float = 1.0) -> float:
    """Return the pause before another try: doubled each time, with jitter of ±25 %."""
    # A pause needs no secrecy.
    jitter = 0.75 + random.random() / 2  # noqa: S311
    return min(LONGEST_BACK_OFF_S, first_s * 2.0 ** min(attempts, 16)) * jitter


def pause_s(error: CitewellError, *, attempts: int) -> float:
    """Return how long work waits after this error: as the other side said, else by back-off."""
    if error.who == "operator":
        return OPERATOR_PAUSE_S
    return error.retry_after_s or back_off_s(attempts)


def waits_for(error: CitewellError) -> Waits:
    """Say whom the work waits for after this error."""
    if error.who == "operator" or not isinstance(error, Unavailable):
        return "operator"
    return "store" if isinstance(error, VectorStoreUnavailable | StorageUnavailable) else "provider"


def waiting_after(error: CitewellError) -> WaitingFor:
    """Return what a job says while its work waits after this error."""
    return WaitingFor(kind=waits_for(error), code=error.code, detail=error.detail)
