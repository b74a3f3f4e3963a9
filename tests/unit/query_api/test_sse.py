import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from services.query_api.routers.sse import with_pauses
from shared.web.sse import event


def test_an_event_is_one_line_of_json() -> None:
    text = event("token", {"text": "two\nlines \u2028 and an \u00e9"})
    name, data, *rest = text.split("\n")
    assert (name, rest) == ("event: token", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {"text": "two\nlines \u2028 and an \u00e9"}


async def test_pauses_are_told_while_nothing_comes() -> None:
    go = asyncio.Event()

    async def work() -> AsyncGenerator[str, None]:
        yield "first"
        await go.wait()
        yield "second"

    told = with_pauses(work(), every_s=0.01)
    assert [await anext(told) for _ in range(3)] == ["first", None, None]
    go.set()
    assert [one async for one in told if one is not None] == ["second"]


async def endless(ended: asyncio.Event) -> AsyncGenerator[str, None]:
    try:
        await asyncio.sleep(60)
        yield "never"
    finally:
        ended.set()


async def test_a_reader_who_leaves_ends_the_work() -> None:
    ended = asyncio.Event()
    told = with_pauses(endless(ended), every_s=0.01)
    await anext(told)
    await told.aclose()
    assert ended.is_set()


async def test_a_reader_who_is_cut_off_ends_the_work() -> None:
    ended = asyncio.Event()

    async def read() -> list[str | None]:
        return [one async for one in with_pauses(endless(ended))]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ended.is_set()
