"""Stores elsewhere: a wrong URL, password or key is told at once, and never with its secret."""

import re
from collections.abc import Iterator

import pytest

from citewell.embedded.outside import ask_outside
from services.ingest_worker.publishing import build_publisher
from shared.errors import ConfigurationInvalid, Unavailable
from shared.settings import (
    AuthSettings,
    DatabaseSettings,
    QdrantSettings,
    RedisSettings,
    Settings,
)
from tests.support.valkey import PASSWORD, start_valkey

DATABASE, REDIS, QDRANT = (f"CITEWELL_{name}_URL" for name in ("DATABASE", "REDIS", "QDRANT"))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


async def test_stores_that_answer_are_told_by_place(
    postgres_url: str, redis_url: str, qdrant_url: str
) -> None:
    told = await ask_outside({DATABASE: postgres_url, REDIS: redis_url, QDRANT: qdrant_url})
    assert set(told) == {DATABASE, REDIS, QDRANT}
    assert all(place.startswith("127.0.0.1:") for place in told.values())
    assert await ask_outside({}) == {}


@pytest.mark.parametrize("name", [DATABASE, REDIS, QDRANT])
async def test_one_that_is_away_is_told(name: str) -> None:
    scheme = {DATABASE: "postgresql", REDIS: "redis", QDRANT: "http"}[name]
    with pytest.raises(ConfigurationInvalid, match=rf"^{name} \(127\.0\.0\.1:1\): "):
        await ask_outside({name: f"{scheme}://u:hidden@127.0.0.1:1"})


async def test_a_wrong_password_is_told_without_it(postgres_url: str, redis_url: str) -> None:
    for name, url in ((DATABASE, postgres_url), (REDIS, redis_url)):
        wrong = url.replace("test-login", "hidden").replace(PASSWORD, "hidden")
        with pytest.raises(ConfigurationInvalid, match=r"(?i)password|auth") as told:
            await ask_outside({name: wrong})
        assert "hidden" not in str(told.value)


def publisher_settings(redis_url: str) -> Settings:
    return Settings(
        database=DatabaseSettings(url="postgresql://nowhere/none"),
        auth=AuthSettings.model_validate({"secret": "s" * 32}),
        qdrant=QdrantSettings(url="http://nowhere"),
        redis=RedisSettings(url=redis_url),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", ""),
        (PASSWORD, "wrong", "refuses the user or the password"),
        (r":\d+/", ":1/", "does not answer"),
    ],
)
def test_the_broker_s_ping_says_what_is_wrong(
    redis_url: str, old: str, new: str, said: str
) -> None:
    publisher = build_publisher(publisher_settings(re.sub(old, new, redis_url)))
    try:
        if not said:
            publisher.ping()
            return
        with pytest.raises(Unavailable, match=said):
            publisher.ping()
    finally:
        publisher.close()
