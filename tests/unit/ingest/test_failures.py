"""How long failed work waits, and for whom."""

import pytest

from services.ingest_worker.failures import (
    LONGEST_BACK_OFF_S,
    OPERATOR_PAUSE_S,
    back_off_s,
    pause_s,
    waiting_after,
    waits_for,
)
from shared.errors import (
    CitewellError,
    EmbeddingUnauthorized,
    EmbeddingUnavailable,
    InvalidInput,
    QuotaExceeded,
    StorageFull,
    VectorStoreUnavailable,
)


@pytest.mark.parametrize("attempts", [0, 1, 3, 5, 20, 10_000])
def test_the_pause_doubles_up_to_a_bound_with_jitter(attempts: int) -> None:
    exact = min(LONGEST_BACK_OFF_S, 2.0 ** min(attempts, 16))
    pauses = {back_off_s(attempts) for _ in range(50)}
    assert all(0.75 * exact <= pause <= 1.25 * exact for pause in pauses)
    assert len(pauses) > 1


def test_a_provider_that_says_when_is_believed() -> None:
    assert pause_s(EmbeddingUnavailable(retry_after_s=7.5), attempts=9) == 7.5


def test_what_needs_a_person_is_asked_about_now_and_then() -> None:
    assert pause_s(EmbeddingUnauthorized(), attempts=0) == OPERATOR_PAUSE_S


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EmbeddingUnavailable(), "provider"),
        (VectorStoreUnavailable(), "store"),
        (StorageFull(), "operator"),
        (EmbeddingUnauthorized(), "operator"),
        (QuotaExceeded(), "operator"),
        (InvalidInput("no such space"), "operator"),
    ],
)
def test_work_waits_for_the_one_who_can_act(error: CitewellError, kind: str) -> None:
    assert waits_for(error) == kind


def test_whoever_waits_says_after_which_problem() -> None:
    waiting = waiting_after(QuotaExceeded("Nothing is left."))
    assert (waiting.kind, waiting.code, waiting.detail) == (
        "operator",
        "quota_exceeded",
        "Nothing is left.",
    )
