"""How long failed work waits, and for whom."""

import pytest

from services.ingest_worker.failures import (
    LONGEST_BACK_OFF_S,
    OPERATOR_PAUSE_S,
    PROVIDER_OPERATOR_PAUSE_S,
    back_off_s,
    outage_of,
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


def test_a_refused_key_and_an_asked_for_pause_park_at_once() -> None:
    refused = outage_of(EmbeddingUnauthorized())
    assert refused is not None
    assert (refused.kind, refused.at_once) == ("operator", True)
    assert refused.pause_s == PROVIDER_OPERATOR_PAUSE_S
    asked = outage_of(EmbeddingUnavailable(retry_after_s=90))
    assert asked is not None
    assert (asked.kind, asked.at_once, asked.pause_s) == ("provider", True, 90)


def test_a_failure_that_says_nothing_parks_when_more_follow() -> None:
    outage = outage_of(EmbeddingUnavailable())
    assert outage is not None
    assert not outage.at_once


def test_however_long_a_provider_asks_for_it_is_tried_now_and_then() -> None:
    outage = outage_of(EmbeddingUnavailable(retry_after_s=1e9))
    assert outage is not None
    assert outage.pause_s <= 3600


def test_a_store_that_is_down_says_nothing_of_the_provider() -> None:
    assert outage_of(VectorStoreUnavailable()) is None
