"""What a failure means for waiting work: how long to wait, and for whom."""

import random
from typing import Literal

from shared.database.parked_spaces import Outage
from shared.errors import (
    CitewellError,
    EmbeddingUnavailable,
    FileRejected,
    InvalidInput,
    QuotaExceeded,
    StageTimedOut,
    StorageUnavailable,
    Unavailable,
    VectorStoreUnavailable,
)
from shared.models import WaitingFor

LONGEST_BACK_OFF_S = 60.0
# Nothing changes here until a person acts; asked again now and then, so that it goes on by itself.
OPERATOR_PAUSE_S = 60.0
# A provider is asked more often: what it refuses costs nothing, and everybody's work waits.
PROVIDER_OPERATOR_PAUSE_S = 30.0
# However long a provider asks to be left alone, it is tried now and then.
LONGEST_PARKED_S = 600.0

Waits = Literal["provider", "operator", "store"]


def back_off_s(attempts: int, *, first_s: float = 1.0) -> float:
    """Return the pause before another try: doubled each time, with jitter of ±25 %."""
    # A pause needs no secrecy.
    jitter = 0.75 + random.random() / 2  # noqa: S311
    return min(LONGEST_BACK_OFF_S, first_s * 2.0 ** min(attempts, 16)) * jitter


def is_final(error: CitewellError) -> bool:
    """Tell whether the same bytes would come to the same again."""
    # One that is nothing more than a `CitewellError` is a fault of ours: as sure as any other.
    final = isinstance(error, FileRejected | InvalidInput | StageTimedOut)
    return final or type(error) is CitewellError


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


def outage_of(error: CitewellError) -> Outage | None:
    """Return what this error says of the whole provider; None when it says nothing of one.

    A refused key, an empty quota and a provider that says when to come back park its space at
    once; other failures do so when several come in a row.
    """
    if not isinstance(error, EmbeddingUnavailable | QuotaExceeded):
        return None
    if error.who == "operator":
        return Outage("operator", error.code, error.detail, PROVIDER_OPERATOR_PAUSE_S, at_once=True)
    asked_s = min(error.retry_after_s or 0.0, LONGEST_PARKED_S)
    return Outage("provider", error.code, error.detail, asked_s, at_once=asked_s > 0)
