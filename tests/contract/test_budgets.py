"""What a provider key's budget promises, in one process and in Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.ingest_worker.embedding.budget import CREDIT_S, HEADROOM, Budget, LocalBudget, Quota
from services.ingest_worker.embedding.redis_budget import RedisBudget
from shared.embeddings.rate_limits import Limit, RateLimits
from tests.support.valkey import start_valkey

TENTH = Quota(requests=600, tokens=6000)
EACH_S = 60 / (600 * HEADROOM)
NAMES = count()


class Due:
    """How long something is to be waited for that was asked for since this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, whole_s: float) -> object:
        """Return what a wait is equal to: the whole, or less by no more than the time since."""
        gone_s = time.monotonic() - self._began
        return pytest.approx(whole_s - gone_s / 2, abs=gone_s / 2 + 0.01)


@pytest.fixture
def due() -> Due:
    """Made before the budgets, whose turns may begin with what was saved up since they were."""
    return Due()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(params=["local", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def build(kind: str, valkey: str, quota: Quota, name: str | None = None) -> Budget:
    if kind == "local":
        return LocalBudget(quota)
    return RedisBudget(valkey, name or f"test{next(NAMES)}", quota)


@pytest.fixture
async def budget(due: Due, kind: str, valkey: str) -> AsyncIterator[Budget]:
    budget = build(kind, valkey, TENTH)
    yield budget
    await budget.aclose()


@pytest.fixture
async def unknown(due: Due, kind: str, valkey: str) -> AsyncIterator[Budget]:
    budget = build(kind, valkey, Quota())
    yield budget
    await budget.aclose()


async def waits(budget: Budget, *tokens: int) -> list[float]:
    return [(await budget.take(each, most_wait_s=60)).wait_s for each in tokens]


async def answer(budget: Budget, limits: RateLimits | None = None, *, extra: int = 0) -> None:
    await budget.answered(extra_tokens=extra, tokens=10, limits=limits or RateLimits())


def said(requests: float, tokens: float) -> RateLimits:
    return RateLimits(Limit(requests), Limit(tokens))


async def test_requests_are_spread_evenly_from_the_first(budget: Budget, due: Due) -> None:
    spread = await waits(budget, *[1] * 11)
    assert spread[0] == 0
    assert spread[10] == due(10 * EACH_S)


async def test_tokens_are_spread_evenly_too(budget: Budget, due: Due) -> None:
    spread = await waits(budget, 200, 50, 1)
    assert spread[1] == due(200 / 100 / HEADROOM)
    assert spread[2] == due(250 / 100 / HEADROOM)


async def test_more_tokens_than_reserved_are_paid_for_by_the_next(budget: Budget, due: Due) -> None:
    await waits(budget, 10)
    await answer(budget, extra=90)
    assert (await waits(budget, 10))[0] == due(100 / 100 / HEADROOM)


async def test_what_was_not_used_is_not_saved_up(budget: Budget) -> None:
    await waits(budget, 1)
    await asyncio.sleep(CREDIT_S * 2)
    free = [wait for wait in await waits(budget, *[1] * 20) if wait == 0]
    assert len(free) <= CREDIT_S / EACH_S + 2


async def test_a_wait_that_is_too_long_reserves_nothing(budget: Budget, due: Due) -> None:
    await waits(budget, 1000)
    turn = await budget.take(1000, most_wait_s=2)
    assert not turn.granted
    assert turn.wait_s == due(10 / HEADROOM)
    assert (await waits(budget, 1))[0] == due(10 / HEADROOM)


async def test_a_refusal_stops_everyone_for_as_long_as_it_says(budget: Budget, due: Due) -> None:
    await waits(budget, 1)
    await budget.refused(RateLimits(), retry_after_s=3)
    assert await budget.pause_s() == due(3)
    assert (await waits(budget, 1))[0] == due(3)


async def test_refusals_that_say_nothing_wait_longer_each_time(budget: Budget, due: Due) -> None:
    await budget.refused(RateLimits(), retry_after_s=None)
    first = await budget.pause_s()
    for _ in range(3):
        await budget.refused(RateLimits(), retry_after_s=None)
    assert first == due(0.5)
    assert await budget.pause_s() == due(4)


async def test_a_reset_stands_in_for_retry_after(budget: Budget, due: Due) -> None:
    used_up = RateLimits(requests=Limit(600, remaining=0, reset_s=2))
    await budget.refused(used_up, retry_after_s=None)
    assert await budget.pause_s() == due(2)


async def test_the_lower_of_set_and_named_limits_holds(budget: Budget) -> None:
    await answer(budget, said(requests=60, tokens=60_000))
    turn = await budget.take(1, most_wait_s=60)
    assert (turn.quota.requests, turn.quota.tokens) == (60, 6000)


async def test_nothing_left_at_the_provider_is_waited_for(budget: Budget, due: Due) -> None:
    await answer(budget, RateLimits(requests=Limit(30, remaining=0, reset_s=40)))
    assert (await waits(budget, 1))[0] == due(2)


async def test_until_the_first_answer_one_request_is_out(unknown: Budget) -> None:
    first, second = [await unknown.take(10, most_wait_s=60) for _ in range(2)]
    assert first.granted
    assert not second.granted
    await unknown.failed()
    third = await unknown.take(10, most_wait_s=60)
    assert third.granted
    await answer(unknown, said(requests=600, tokens=6000))
    turn = await unknown.take(10, most_wait_s=60)
    assert turn.granted
    assert (turn.quota.requests, turn.quota.tokens) == (600, 6000)


async def test_limits_nobody_names_are_learnt_from_refusals(unknown: Budget) -> None:
    await waits(unknown, 10)
    for _ in range(40):
        await answer(unknown)
        assert (await waits(unknown, 10)) == [0]
    await unknown.refused(RateLimits(), retry_after_s=0.01)
    turn = await unknown.take(10, most_wait_s=60)
    # Forty within the two seconds that are the least to measure over.
    assert turn.quota.requests == pytest.approx(1200, rel=0.1)
    assert turn.quota.tokens == pytest.approx(12_000, rel=0.1)
    before = turn.quota.requests
    await asyncio.sleep(2.1)
    await unknown.refused(RateLimits(), retry_after_s=0.01)
    assert (await unknown.take(10, most_wait_s=60)).quota.requests < before


async def test_processes_share_one_budget(valkey: str, due: Due) -> None:
    one, other = (build("redis", valkey, TENTH, "shared") for _ in range(2))
    await waits(one, *[1] * 10)
    assert (await waits(other, 1))[0] == due(10 * EACH_S)
    await other.refused(RateLimits(), retry_after_s=5)
    assert await one.pause_s() == due(5)
    for budget in (one, other):
        await budget.aclose()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server of the test's own, and how to end it."""
    with ExitStack() as stack:
        yield stack.enter_context(start_valkey(tmp_path)), stack.close


async def test_without_redis_each_process_keeps_to_its_part(
    mortal: tuple[str, Callable[[], None]],
) -> None:
    url, end = mortal
    budgets = [build("redis", url, TENTH, "parts") for _ in range(2)]
    for budget in (*budgets, *budgets):
        await waits(budget, 1)
    await asyncio.to_thread(end)
    alone = await waits(budgets[0], *[1] * 11)
    assert alone[10] - alone[0] == pytest.approx(2 * 10 * EACH_S, abs=CREDIT_S + 0.1)
    for budget in budgets:
        await budget.aclose()


async def test_after_a_flush_the_turns_given_out_still_stand(valkey: str, due: Due) -> None:
    budget = build("redis", valkey, TENTH, "flushed")
    ahead_s = (await waits(budget, *[1] * 5))[-1] + EACH_S
    async with Redis.from_url(valkey) as redis:
        await redis.flushall()
        await redis.script_flush()
    spread = await waits(budget, *[1] * 11)
    assert spread[0] == due(ahead_s)
    assert spread[10] == due(ahead_s + 10 * EACH_S)
    await budget.aclose()
