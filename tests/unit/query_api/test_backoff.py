import asyncio

import pytest

from services.query_api.chat_models import backoff
from services.query_api.chat_models.backoff import pauses, with_backoff
from shared.errors import GenerationUnavailable, InvalidInput


class Flaky:
    """Fails some times, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.002)


async def test_what_passes_is_tried_again() -> None:
    call = Flaky(GenerationUnavailable(), GenerationUnavailable())
    assert await with_backoff(call, budget_s=5) == "done"
    assert call.calls == 3


async def test_the_last_failure_is_told() -> None:
    call = Flaky(*[GenerationUnavailable(str(n)) for n in range(5)])
    with pytest.raises(GenerationUnavailable, match="2"):
        await with_backoff(call, budget_s=5)
    assert call.calls == 3


async def test_what_never_passes_is_not_tried_again() -> None:
    call = Flaky(InvalidInput())
    with pytest.raises(InvalidInput):
        await with_backoff(call, budget_s=5)
    assert call.calls == 1


async def test_a_wait_that_passes_the_budget_is_not_begun() -> None:
    call = Flaky(GenerationUnavailable(retry_after_s=60))
    started = asyncio.get_running_loop().time()
    with pytest.raises(GenerationUnavailable):
        await with_backoff(call, budget_s=1)
    assert asyncio.get_running_loop().time() - started < 0.5
    assert call.calls == 1


def test_pauses_double_and_differ_by_chance() -> None:
    least = list(pauses(8, draw=min))
    most = list(pauses(8, draw=max))
    assert least == [pause / 2 for pause in most]
    assert most[1] == 2 * most[0]
    assert max(pauses(40)) <= backoff.LONGEST_PAUSE_S
