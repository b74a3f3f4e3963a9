"""One request's bytes."""

from datetime import UTC, datetime
from uuid import uuid4

from services.ingest_worker.embedding.packing import within
from shared.database.embed_queue import QueuedChunk


def queued(text: str) -> QueuedChunk:
    return QueuedChunk(
        chunk_id=uuid4(),
        job_id=uuid4(),
        tenant_id="acme",
        index_id=uuid4(),
        space="fake/bytes",
        tokens=1,
        attempts=1,
        text=text,
        text_sha256=b"",
        document_id=uuid4(),
        version_id=uuid4(),
        page_start=1,
        page_end=1,
        filename="a.txt",
        attributes={},
        media_type="text/plain",
        created_at=datetime.now(UTC),
    )


def test_a_batch_is_cut_before_it_is_over_the_bytes() -> None:
    batch = [queued("ä" * 10) for _ in range(5)]
    held, rest = within(batch, most_bytes=45)
    assert (len(held), len(rest)) == (2, 3)
    assert held + rest == batch


def test_a_single_text_is_always_sent() -> None:
    assert [len(part) for part in within([queued("x" * 100)], most_bytes=10)] == [1, 0]


def test_what_fits_stays_whole() -> None:
    assert [len(part) for part in within([queued("x")] * 3)] == [3, 0]
