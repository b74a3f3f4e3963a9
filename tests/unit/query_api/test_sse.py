import asyncio
import json

import pytest

from services.query_api.routers.sse import comments_until
from shared.web.sse import event


def test_an_event_is_one_line_of_json() -> None:
    text = event("token", {"text": "two\nlines \u2028 and an \u00e9"})
    name, data, *rest = text.split("\n")
    assert (name, rest) == ("event: token", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {"text": "two\nlines \u2028 and an \u00e9"}


async def test_comments_keep_the_line_open_until_the_work_is_done() -> None:
    go = asyncio.Event()
    work = asyncio.create_task(go.wait())
    comments = comments_until(work, every_s=0.01)
    assert (await anext(comments)).startswith(":")
    assert (await anext(comments)).endswith("\n\n")
    go.set()
    assert [comment async for comment in comments] == []
    assert work.result() is True


async def test_a_reader_who_leaves_stops_the_work() -> None:
    work = asyncio.create_task(asyncio.sleep(60))
    comments = comments_until(work, every_s=0.01)
    await anext(comments)
    await comments.aclose()
    with pytest.raises(asyncio.CancelledError):
        await work
