"""When a call is tried again, and after how long; by a clock and a jitter of our own."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from citewell.client.retries import Patience, Waits, retry_after_s

PATIENCE = Patience(busy_s=60, unreachable_s=10, first_s=1, longest_s=8)
CONNECT = httpx.ConnectError("refused")
CUT = httpx.ReadError("cut")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def waits(*, idempotent: bool = True, jitter: float = 1.0, clock: Clock | None = None) -> Waits:
    return Waits(PATIENCE, idempotent, jitter=lambda: jitter, clock=clock or Clock())


def busy(retry_after: str = "") -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": retry_after} if retry_after else {})


def test_waits_double_up_to_the_longest() -> None:
    asked = waits()
    assert [asked.after_answer(busy()) for _ in range(6)] == [1, 2, 4, 8, 8, 8]


def test_jitter_takes_away_up_to_half() -> None:
    assert waits(jitter=0.0).after_answer(busy()) == 0.5


def test_retry_after_is_the_least_wait() -> None:
    delay = waits(jitter=0.0).after_answer(busy("5"))
    assert delay == 5


def test_a_wait_that_outlasts_the_patience_is_not_begun() -> None:
    assert waits().after_answer(busy("61")) is None


def test_time_spent_counts() -> None:
    clock = Clock()
    asked = waits(clock=clock)
    clock.now = 59.5
    assert asked.after_answer(busy()) is None


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500, 507])
def test_other_refusals_are_final(status: int) -> None:
    assert waits().after_answer(httpx.Response(status)) is None


@pytest.mark.parametrize("status", [409, 507])
def test_what_passes_by_itself_says_when(status: int) -> None:
    told = httpx.Response(status, headers={"Retry-After": "3"})
    assert waits(jitter=0.0).after_answer(told) == 3
    assert waits().after_answer(httpx.Response(status)) is None


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateways_own_refusal_is_retried_only_for_idempotent_calls(status: int) -> None:
    page = httpx.Response(status, headers={"Content-Type": "text/html"})
    problem = httpx.Response(status, headers={"Content-Type": "application/problem+json"})
    assert waits().after_answer(page) is not None
    assert waits(idempotent=False).after_answer(page) is None
    assert waits().after_answer(problem) is None


def test_a_call_that_was_never_sent_is_always_tried_again() -> None:
    assert waits(idempotent=False).after_error(CONNECT) is not None
    assert waits(idempotent=False).after_error(CUT) is None
    assert waits().after_error(CUT) is not None


def test_an_address_without_a_protocol_is_hopeless() -> None:
    assert waits().after_error(httpx.UnsupportedProtocol("no protocol")) is None


def test_retry_after_is_read_in_both_forms() -> None:
    assert retry_after_s(busy("2.5")) == 2.5
    assert retry_after_s(busy("soon")) is None
    assert retry_after_s(busy()) is None
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    delay = retry_after_s(busy(moment))
    assert delay is not None
    assert 28 < delay <= 30
