"""A provider with hard limits, one that is down, one that refuses the key: on the real stack."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from citewell.client import Client, File
from shared.embeddings.spaces import embedding_space
from shared.tokens.build import build_tokenizer
from tests.support.limits import Bucket, HardLimits, Window
from tests.support.provider import KEY, Provider, start_provider
from tests.support.stack import Stack, start_stack

SPACE = "openai/model@16"
TOKENS = build_tokenizer(embedding_space(SPACE))
WORDS = ("tide", "granite", "lantern", "copper", "meadow", "signal", "harbour", "winter")
LOOK_EVERY_S = 0.5
ENDED = {"succeeded", "succeeded_with_warnings", "failed", "cancelled"}


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(server: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "CITEWELL_OPENAI_API_KEY": KEY,
        "CITEWELL_OPENAI_BASE_URL": server.url,
        "CITEWELL_EMBEDDING_SPACE": SPACE,
        # Many requests, so that a second of them tells something.
        "CITEWELL_EMBEDDING_BATCH_INPUTS": "2",
    }
    with start_stack(tmp_path_factory.mktemp("limits"), settings) as stack:
        yield stack


@pytest.fixture
def provider(server: Provider, stack: Stack) -> Iterator[Provider]:
    server.behave()
    server.dimensions = 16
    yield server
    server.behave()


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.ready["url"], key=stack.ready["api_key"]) as client:
        yield client


def load(client: Client, folder: Path, count: int) -> list[str]:
    """Upload new files of one chunk each; return their batches."""
    chance = random.Random()
    paths = []
    for number in range(count):
        path = folder / f"{number}-{chance.random()}.txt"
        path.write_text(" ".join(f"{chance.choice(WORDS)}{chance.random()}" for _ in range(45)))
        paths.append(path)
    files = [File(path.name, path) for path in paths]
    return [
        str(client.upload(files[first : first + 100]).batch_id) for first in range(0, count, 100)
    ]


def jobs(stack: Stack, batches: list[str]) -> list[dict[str, Any]]:
    """Return the first hundred jobs of each batch as they are shown."""
    headers = {"Authorization": f"Bearer {stack.ready['api_key']}"}
    found: list[dict[str, Any]] = []
    for batch in batches:
        response = httpx.get(
            f"{stack.ready['url']}/v1/jobs?batch={batch}&limit=100", headers=headers, timeout=30
        )
        found += response.json()["items"]
    return found


def wait(condition: Callable[[], bool], within_s: float, told: Callable[[], object]) -> float:
    """Return after how many seconds the condition came true."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within_s, told()
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - begun


def wait_for_end(stack: Stack, batches: list[str], within_s: float) -> float:
    """Wait until every job has ended, and see that none failed."""

    def states() -> Counter[str]:
        return Counter(job["state"] for job in jobs(stack, batches))

    took_s = wait(lambda: states().keys() <= ENDED, within_s, states)
    assert states().keys() <= {"succeeded"}, states()
    return took_s


def stays_parked(
    stack: Stack, provider: Provider, batches: list[str], kind: str, *, seconds: float, most: int
) -> None:
    """See every job wait for `kind`, and the provider asked at most so often meanwhile."""
    wait_until_parked(stack, batches, kind)
    asked = len(provider.requests)
    time.sleep(seconds)
    assert len(provider.requests) - asked <= most


def wait_until_parked(stack: Stack, batches: list[str], kind: str) -> None:
    """Wait until every job of the batches says whom it waits for, until when, and why."""

    def reasons() -> Counter[tuple[Any, ...]]:
        shown = [job["waiting_for"] or {} for job in jobs(stack, batches)]
        return Counter((one.get("kind"), one.get("code"), bool(one.get("until"))) for one in shown)

    wait(lambda: reasons().keys() == {(kind, "embedding_unavailable", True)}, 30, reasons)


def check_quota(limits: HardLimits) -> None:
    """See that the tighter quota was used, and hardly anything refused."""
    requests, tokens = limits.used()
    told = f"requests {requests:.1%}, tokens {tokens:.1%}, refused {limits.refused():.1%}"
    print(f"{told} of {len(limits.taken)}")
    assert max(requests, tokens) >= 0.9, told
    assert limits.refused() < 0.02, told


def test_a_hard_limit_is_used_and_not_run_into(
    stack: Stack, provider: Provider, client: Client, tmp_path: Path
) -> None:
    provider.limits = HardLimits(Bucket(6000, 2), Bucket(240_000, 2), TOKENS.count)
    batches = load(client, tmp_path, 100)
    wait_for_end(stack, batches, 60)
    check_quota(provider.limits)


def test_a_provider_that_is_down_parks_its_jobs_until_it_is_back(
    stack: Stack, provider: Provider, client: Client, tmp_path: Path
) -> None:
    provider.down = True
    batches = load(client, tmp_path, 20)
    stays_parked(stack, provider, batches, "provider", seconds=3, most=4)
    provider.down = False
    wait_for_end(stack, batches, 30)


def test_a_refused_key_parks_its_jobs_until_it_works_again(
    stack: Stack, provider: Provider, client: Client, tmp_path: Path
) -> None:
    provider.key = "sk-another"
    batches = load(client, tmp_path, 20)
    stays_parked(stack, provider, batches, "operator", seconds=3, most=1)
    provider.key = KEY
    wait_for_end(stack, batches, 60)


def test_vectors_of_another_size_park_their_jobs_until_they_fit(
    stack: Stack, provider: Provider, client: Client, tmp_path: Path
) -> None:
    fitting, provider.dimensions = provider.dimensions, 8
    batches = load(client, tmp_path, 20)
    stays_parked(stack, provider, batches, "operator", seconds=3, most=1)
    provider.dimensions = fitting
    wait_for_end(stack, batches, 60)


@pytest.mark.drill
@pytest.mark.parametrize("tight", ["tokens", "requests"])
def test_a_sliding_minute_is_used_and_not_run_into(
    stack: Stack, provider: Provider, client: Client, tmp_path: Path, tight: str
) -> None:
    requests, tokens = (600, 120_000) if tight == "tokens" else (60, 6_000_000)
    provider.limits = HardLimits(Window(requests), Window(tokens), TOKENS.count)
    batches = load(client, tmp_path, 1200 if tight == "tokens" else 6000)
    wait_for_end(stack, batches, 900)
    check_quota(provider.limits)


@pytest.mark.drill
def test_two_minutes_without_a_provider_lose_nothing(
    stack: Stack, provider: Provider, client: Client, tmp_path: Path
) -> None:
    provider.down = True
    batches = load(client, tmp_path, 300)
    stays_parked(stack, provider, batches, "provider", seconds=120, most=30)
    provider.down = False
    wait_for_end(stack, batches, 120)
