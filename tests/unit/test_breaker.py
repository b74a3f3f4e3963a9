"""When a failing provider is left alone, and when it is asked again."""

from shared.breaker import FAILURES, PAUSE_S, Breaker
from tests.unit.query_api.clock import Clock


def failed(clock: Clock, times: int = FAILURES) -> Breaker:
    breaker = Breaker("test", clock=clock)
    for _ in range(times):
        breaker.begin()
        breaker.fail()
    return breaker


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    assert failed(Clock(), FAILURES - 1).pause_s == 0
    assert failed(Clock()).pause_s == PAUSE_S


def test_a_success_forgets_the_failures_before_it() -> None:
    breaker = failed(Clock(), FAILURES - 1)
    breaker.succeed()
    breaker.fail()
    assert breaker.pause_s == 0


def test_after_the_pause_one_try_probes_while_the_others_wait() -> None:
    clock = Clock()
    breaker = failed(clock)
    clock.now += PAUSE_S
    assert breaker.pause_s == 0
    breaker.begin()
    assert breaker.pause_s == PAUSE_S
    breaker.succeed()
    assert breaker.pause_s == 0


def test_a_probe_that_fails_opens_it_at_once() -> None:
    clock = Clock()
    breaker = failed(clock)
    clock.now += PAUSE_S
    breaker.begin()
    clock.now += 5
    breaker.fail()
    assert breaker.pause_s == PAUSE_S
