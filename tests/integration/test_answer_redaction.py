"""The words of a deleted document leave the answers that were written from it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.ingest_worker.upkeep import deletion
from services.ingest_worker.upkeep.deletion import bury
from shared.database.answer_views import AnswerViews
from shared.database.answers import Answers, NewAnswer, NewSource
from shared.database.engine import Database
from shared.identity import new_id
from tests.integration.test_ingest_api_deletion import let_the_grace_pass
from tests.support.ingest_api import IngestApi, upload
from tests.support.workers import Workers

PROSE = b"# One\n\n" + b"A sentence of the text that is about to go. " * 40
QUOTE = "A sentence of the text that is about to go."


async def documents(api: IngestApi, *names: str, collection: str = "default") -> list[UUID]:
    """Upload files of the same words; return their documents."""
    sent = await upload(api.client, *((name, PROSE) for name in names), collection=collection)
    return [UUID(job["document_id"]) for job in sent["jobs"]]


async def answer(database: Database, *document_ids: UUID, tenant: str = "acme") -> UUID:
    """Write down an answer that quotes documents."""
    row = NewAnswer(
        id=new_id(),
        tenant_id=tenant,
        asked_at=datetime.now(UTC),
        asked_by="key:x",
        collection="default",
        outcome="generated",
        text=QUOTE,
        question="What goes?",
        sources=[
            NewSource(new_id(), one, new_id(), 1, 1, 0.9, True, [QUOTE]) for one in document_ids
        ],
    )
    async with database.worker() as connection:
        await Answers(connection).add([row])
    return row.id


async def stored(database: Database, answer_id: UUID) -> tuple[str | None, list[Any]]:
    """Read what a row really holds: the answer's text, and each source's quotes."""
    async with database.worker() as connection:
        said = await connection.execute(
            text("SELECT text FROM answers WHERE id = :id"), {"id": answer_id}
        )
        quotes = await connection.execute(
            text("SELECT quotes FROM answer_sources WHERE answer_id = :id ORDER BY place"),
            {"id": answer_id},
        )
        return said.scalar_one(), list(quotes.scalars())


async def buried(api: IngestApi, database: Database, *, round_s: float = 60) -> None:
    await let_the_grace_pass(database)
    await bury(database, api.vectors, api.context.blobs, grace_s=0, round_s=round_s)


async def test_a_deleted_document_takes_its_words_along_and_no_others(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    gone, stays = await documents(api, "gone.md", "stays.md")
    await workers.work()
    both = await answer(database, stays, gone)
    other = await answer(database, stays)
    await api.client.delete(f"/v1/documents/{gone}")
    async with database.tenant("acme") as connection:
        views = AnswerViews(connection)
        shown, sources = await views.one(both), await views.sources(both)
    assert shown is not None
    assert (shown.text, shown.redacted, shown.question) == (None, True, "What goes?")
    assert [(one.filename, one.quotes) for one in sources] == [("stays.md", [QUOTE]), (None, None)]
    await buried(api, database)
    assert await stored(database, both) == (None, [[QUOTE], None])
    assert await stored(database, other) == (QUOTE, [[QUOTE]])


async def test_a_replaced_version_keeps_its_words_beside_a_deletion(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    gone, replaced = await documents(api, "gone.md", "replaced.md")
    await workers.work()
    both = await answer(database, replaced, gone)
    await upload(api.client, ("replaced.md", PROSE + b"And one more."))
    await workers.work()
    await api.client.delete(f"/v1/documents/{gone}")
    await buried(api, database)
    assert await stored(database, both) == (None, [[QUOTE], None])


async def test_a_deleted_collection_takes_its_words_along(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    await api.client.put("/v1/collections/papers", json={})
    (gone,) = await documents(api, "gone.md", collection="papers")
    await workers.work()
    answer_id = await answer(database, gone)
    await api.client.delete("/v1/collections/papers")
    for _ in range(3):
        await buried(api, database)
    assert await stored(database, answer_id) == (None, [None])


async def test_an_answer_that_is_written_down_late_brings_no_words_back(
    api: IngestApi, database: Database, workers: Workers
) -> None:
    (gone,) = await documents(api, "gone.md")
    await workers.work()
    await api.client.delete(f"/v1/documents/{gone}")
    hidden = await answer(database, gone)
    await buried(api, database)
    removed = await answer(database, gone)
    for answer_id in (hidden, removed):
        assert await stored(database, answer_id) == (None, [None])


async def test_many_answers_are_redacted_in_steps(
    api: IngestApi, database: Database, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "WORDS_AT_ONCE", 2)
    (gone,) = await documents(api, "gone.md")
    await workers.work()
    ids = [await answer(database, gone) for _ in range(5)]
    await api.client.delete(f"/v1/documents/{gone}")
    async with database.worker() as connection:
        assert await Answers(connection).redact([gone], limit=2) == 2
    assert sum([(await stored(database, one))[0] is not None for one in ids]) == 3
    await buried(api, database)
    assert [await stored(database, one) for one in ids] == [(None, [None])] * 5
    async with database.worker() as connection:
        assert (await connection.execute(text("SELECT id FROM documents"))).all() == []
