"""What a process remembers, for how long, and who does the work that many ask for."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from shared.caches import ENTRY_BYTES, Flights, SizedCache
from tests.unit.query_api.clock import Clock


def cache(entries: int = 2) -> SizedCache[str, int]:
    return SizedCache("test", max_bytes=entries * (ENTRY_BYTES + 10))


def held() -> float:
    return REGISTRY.get_sample_value("citewell_cache_bytes", {"cache": "test"}) or 0.0


def test_the_least_recently_used_go_when_the_bytes_are_spent() -> None:
    before, kept = held(), cache()
    kept.put("a", 1, 10)
    kept.put("b", 2, 10)
    assert kept.get("a") == 1
    kept.put("c", 3, 10)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    assert held() - before == 2 * (ENTRY_BYTES + 10)
    kept.clear()
    assert held() == before


def test_a_value_put_again_takes_the_old_ones_place() -> None:
    before, kept = held(), cache()
    for number in range(5):
        kept.put("a", number, 10)
    assert kept.get("a") == 4
    assert held() - before == ENTRY_BYTES + 10
    kept.clear()


def test_what_is_larger_than_the_whole_cache_is_not_kept() -> None:
    kept = cache(1)
    kept.put("a", 1, 10)
    kept.put("b", 2, 11)
    assert (kept.get("a"), kept.get("b")) == (1, None)
    kept.clear()


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    kept = cache(0)
    kept.put("a", 1, 0)
    assert kept.get("a") is None


def test_a_value_is_forgotten_when_its_time_is_over() -> None:
    clock = Clock()
    kept: SizedCache[str, int] = SizedCache("test", max_bytes=10_000, ttl_s=5, clock=clock)
    kept.put("a", 1, 10)
    clock.now += 4.9
    assert kept.get("a") == 1
    clock.now += 0.1
    assert kept.get("a") is None


async def test_work_of_one_key_is_done_once_at_a_time() -> None:
    flights: Flights[str, int] = Flights("test")
    calls = 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return calls

    both = await asyncio.gather(*(flights.share("a", work) for _ in range(2)))
    assert both == [(1, True), (1, False)]
    assert await flights.share("a", work) == (2, True)


async def test_all_who_wait_get_the_failure_and_the_next_one_tries_anew() -> None:
    flights: Flights[str, int] = Flights("test")

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError

    both = await asyncio.gather(
        *(flights.share("a", fail) for _ in range(2)), return_exceptions=True
    )
    assert [type(one) for one in both] == [LookupError, LookupError]
    with pytest.raises(LookupError):
        await flights.share("a", fail)


async def _counted(flights: Flights[str, int], done: list[int], waiting: int) -> None:
    async def work() -> int:
        await asyncio.sleep(0.05)
        done.append(1)
        return 1

    asked = [asyncio.create_task(flights.share("a", work)) for _ in range(waiting)]
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.wait(asked)


async def test_work_goes_on_while_one_who_waits_is_left() -> None:
    flights: Flights[str, int] = Flights("test", stops_unwaited=True)
    done: list[int] = []
    await _counted(flights, done, waiting=2)
    assert done == [1]


@pytest.mark.parametrize("stops_unwaited", [True, False])
async def test_work_that_nobody_waits_for_is_stopped_where_that_is_wanted(
    *, stops_unwaited: bool
) -> None:
    flights: Flights[str, int] = Flights("test", stops_unwaited=stops_unwaited)
    done: list[int] = []
    await _counted(flights, done, waiting=1)
    await asyncio.sleep(0.1)
    assert done == ([] if stops_unwaited else [1])


async def test_who_asks_while_work_is_being_stopped_gets_it_anew() -> None:
    flights: Flights[str, int] = Flights("test", stops_unwaited=True)

    async def slow() -> int:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.02)
        return 1

    async def quick() -> int:
        return 2

    leaving = asyncio.create_task(flights.share("a", slow))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    assert await flights.share("a", quick) == (2, True)
