"""Small files parsed several to a message: none of them harms or holds up the others."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typing_extensions import override

from services.ingest_worker.jobs import parse
from services.ingest_worker.jobs.cutter import SectionCutter
from services.ingest_worker.jobs.parse import ParseStep
from services.ingest_worker.jobs.reader import PartReader, Read
from services.ingest_worker.parsing.process import ParserProcess
from shared.database.jobs import Jobs
from shared.database.parts import ClaimedPart, PartKey, Parts
from shared.errors import ParserCrashed
from shared.models import EmbeddingSpace
from shared.settings import IngestSettings
from shared.tokens.base import Tokenizer
from shared.tokens.build import build_tokenizer
from tests.support.ingest_api import IngestApi, upload
from tests.support.workers import member_door

WORDS = b"The quick brown fox jumps over the lazy dog.\n"


class WatchedReader(PartReader):
    """A reader that does something before it reads a file of a certain name."""

    def __init__(self, *, before: dict[str, Callable[[], Any]], **parts: Any) -> None:
        super().__init__(**parts)
        self._before = before

    @override
    async def read(self, part: ClaimedPart, settings: IngestSettings) -> Read:
        if act := self._before.get(part.filename):
            await act()
        return await super().read(part, settings)


def left_in(folder: Path) -> list[Path]:
    return list(folder.glob("*-0"))


@pytest.fixture
async def parser(api: IngestApi, tmp_path: Path) -> AsyncIterator[ParserProcess]:
    parser = ParserProcess(api.context.settings.ingest, tmp_path)
    yield parser
    await parser.aclose()


class Brittle:
    """A tokenizer with a fault in it."""

    def __init__(self, space: EmbeddingSpace) -> None:
        self._whole = build_tokenizer(space)

    def count(self, text: str) -> int:
        return self.count_all([text])[0]

    def count_all(self, texts: Iterable[str]) -> list[int]:
        counted = list(texts)
        if any(text.startswith("b ") for text in counted):
            raise RuntimeError("secret")
        return self._whole.count_all(counted)

    def starts(self, text: str) -> Sequence[int]:
        return self._whole.starts(text)


async def parse_all(
    api: IngestApi,
    parser: ParserProcess,
    scratch: Path,
    tokenizer_of: Callable[[EmbeddingSpace], Tokenizer] = build_tokenizer,
    **before: Callable[[], Any],
) -> list[PartKey]:
    """Run the step over everything that waits, as one message."""
    context, settings = api.context, api.context.settings.ingest
    reader = WatchedReader(
        database=context.database,
        blobs=context.blobs,
        parser=parser,
        scratch=scratch,
        members=member_door(api),
        before={f"{name}.txt": act for name, act in before.items()},
    )
    step = ParseStep(
        database=context.database,
        reader=reader,
        cutter=SectionCutter(cache(tokenizer_of)),
        settings=settings,
    )
    async with context.database.worker() as connection:
        waiting = await Parts(connection).take_waiting(room=100)
    keys = [part.key for part in waiting]
    await step.run(keys)
    return keys


async def states(api: IngestApi) -> dict[str, str]:
    return {row["filename"]: row["state"] for row in await rows(api)}


async def rows(api: IngestApi) -> list[dict[str, Any]]:
    query = text(
        "SELECT j.filename, j.state, j.problem, j.chunks_left, p.state AS part, p.alone,"
        " p.crashes, p.lost_leases, p.published_at, (SELECT count(*) FROM embed_queue q"
        " WHERE q.job_id = j.id) AS queued FROM jobs j JOIN parts p ON p.job_id = j.id"
    )
    async with api.context.database.worker() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


def three() -> list[tuple[str, bytes]]:
    return [(f"{name}.txt", name.encode() + b" " + WORDS) for name in "abc"]


async def test_all_files_of_a_message_go_to_embedding_together(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    await upload(api.client, *three())
    keys = await parse_all(api, parser, tmp_path)
    assert len(keys) == 3
    for row in await rows(api):
        assert (row["state"], row["part"], row["chunks_left"], row["queued"]) == (
            *("embedding", "done"),
            *(1, 1),
        )
    assert await parse_all(api, parser, tmp_path) == []
    assert left_in(tmp_path) == []


async def test_a_bad_file_among_them_fails_alone(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    await upload(api.client, *three(), ("bad.pdf", b"%PDF-1.7 no more"), ("none.txt", b" \n "))
    await parse_all(api, parser, tmp_path)
    found = {row["filename"]: row for row in await rows(api)}
    assert {name for name, row in found.items() if row["state"] == "embedding"} == {
        "a.txt",
        "b.txt",
        "c.txt",
    }
    assert found["bad.pdf"]["problem"]["code"] == "file_corrupt"
    assert found["none.txt"]["problem"]["code"] in {"no_text_found", "file_empty"}


async def test_a_fault_while_cutting_ends_that_file_alone_and_tells_no_secret(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    await upload(api.client, *three())
    await parse_all(api, parser, tmp_path, Brittle)
    found = {row["filename"]: row for row in await rows(api)}
    problem = found["b.txt"]["problem"]
    assert (found["b.txt"]["state"], problem["code"]) == ("failed", "internal_error")
    assert problem["stage"] == "chunk"
    assert "secret" not in problem["detail"]
    assert {found[name]["state"] for name in ("a.txt", "c.txt")} == {"embedding"}
    assert {row["lost_leases"] for row in found.values()} == {0}


async def test_a_file_that_kills_its_parser_goes_alone_from_then_on(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    async def crash() -> None:
        raise ParserCrashed

    await upload(api.client, *three())
    await parse_all(api, parser, tmp_path, b=crash)
    found = {row["filename"]: row for row in await rows(api)}
    assert (found["b.txt"]["part"], found["b.txt"]["crashes"]) == ("queued", 1)
    assert found["b.txt"]["alone"]
    assert found["a.txt"]["state"] == found["c.txt"]["state"] == "embedding"


async def test_what_a_slow_message_has_not_begun_is_given_back_uncounted(
    api: IngestApi, parser: ParserProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "GROUP_S", 0.0)
    await upload(api.client, *three())
    await parse_all(api, parser, tmp_path)
    found = await rows(api)
    assert sorted(row["part"] for row in found) == ["done", "queued", "queued"]
    back = [row for row in found if row["part"] == "queued"]
    assert all(row["published_at"] is None and row["lost_leases"] == 0 for row in back)
    assert not any(row["alone"] for row in back)
    await parse_all(api, parser, tmp_path)
    await parse_all(api, parser, tmp_path)
    assert set((await states(api)).values()) == {"embedding"}


async def test_a_job_cancelled_meanwhile_writes_nothing_the_others_do(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    answer = await upload(api.client, *three())
    gone = next(job for job in answer["jobs"] if job["filename"] == "a.txt")

    async def cancel() -> None:
        await api.client.post(f"/v1/jobs/{gone['job_id']}/cancel")

    await parse_all(api, parser, tmp_path, c=cancel)
    found = {row["filename"]: row for row in await rows(api)}
    assert (found["a.txt"]["state"], found["a.txt"]["queued"]) == ("cancelled", 0)
    assert found["b.txt"]["state"] == found["c.txt"]["state"] == "embedding"


async def test_the_same_message_twice_at_once_is_done_once(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    await upload(api.client, *three())
    async with api.context.database.worker() as connection:
        keys = [part.key for part in await Parts(connection).take_waiting(room=100)]
        first = await Parts(connection).claim(keys, claim=keys[0].version_id, lease_s=15)
        await Jobs(connection).start({part.job_id for part in first})
    async with api.context.database.worker() as connection:
        assert len(first) == 3
        assert not await Parts(connection).claim(keys, claim=keys[1].version_id, lease_s=15)
        assert await Parts(connection).renew(first, lease_s=15) == set(keys)


async def test_bytes_that_are_gone_end_the_job_after_a_few_tries(
    api: IngestApi, parser: ParserProcess, tmp_path: Path
) -> None:
    await upload(api.client, *three())
    async with api.context.database.worker() as connection:
        blob = text(
            "SELECT v.blob_id FROM jobs j JOIN versions v ON v.id = j.version_id"
            " WHERE j.filename = 'b.txt'"
        )
        await api.context.blobs.delete(str((await connection.execute(blob)).scalar_one()))
    for _ in range(api.context.settings.ingest.max_crashes):
        await parse_all(api, parser, tmp_path)
        async with api.context.database.worker() as connection:
            await connection.execute(text("UPDATE parts SET not_before = now()"))
    found = {row["filename"]: row for row in await rows(api)}
    assert (found["b.txt"]["state"], found["b.txt"]["problem"]["code"]) == ("failed", "not_found")
    assert found["a.txt"]["state"] == found["c.txt"]["state"] == "embedding"
