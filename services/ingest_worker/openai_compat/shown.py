"""Rows as OpenAI's clients read them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from services.ingest_worker.openai_compat.schemas import (
    FileBatch,
    FileCounts,
    FileObject,
    FileStatus,
    LastError,
    ListResponse,
    VectorStore,
    VectorStoreFile,
)
from shared.database.files import FileRow
from shared.database.store_files import StoreBatchRow, StoreFileRow
from shared.database.stores import StoreRow
from shared.models import JobState
from shared.openai_ids import shown_batch_id, shown_file_id, shown_store_id

STATUSES: Mapping[str, FileStatus] = MappingProxyType(
    {
        JobState.QUEUED: "in_progress",
        JobState.PARSING: "in_progress",
        JobState.EMBEDDING: "in_progress",
        JobState.SUCCEEDED: "completed",
        JobState.SUCCEEDED_WITH_WARNINGS: "completed",
        JobState.FAILED: "failed",
        JobState.CANCELLED: "cancelled",
    }
)
_INVALID = frozenset(
    {
        *("file_encrypted", "file_corrupt", "file_empty", "no_text_found", "file_too_large"),
        "archive_unsafe",
    }
)
# How soon to look again at what is in progress: `openai-poll-after-ms`.
POLL_MS = 300


Shown = TypeVar("Shown", FileObject, VectorStore, VectorStoreFile)


def listed(items: Sequence[Shown], *, more: bool) -> ListResponse[Shown]:
    """Return a page of a list."""
    return ListResponse(
        data=list(items),
        first_id=items[0].id if items else None,
        last_id=items[-1].id if items else None,
        has_more=more,
    )


def states_of(status: FileStatus | None) -> list[str]:
    """Return the states of jobs that a status stands for; all without one."""
    return [state for state, shown in STATUSES.items() if status in (None, shown)]


def file_object(row: FileRow) -> FileObject:
    """Show a kept file."""
    return FileObject(
        id=shown_file_id(row.id),
        bytes=row.size,
        created_at=int(row.created_at.timestamp()),
        filename=row.filename,
        purpose=row.purpose,
    )


def vector_store(row: StoreRow) -> VectorStore:
    """Show a store."""
    return VectorStore(
        id=shown_store_id(row.id),
        created_at=int(row.created_at.timestamp()),
        name=row.title,
        description=row.description,
        usage_bytes=row.size,
        file_counts=FileCounts(
            in_progress=row.in_progress,
            completed=row.total - row.in_progress - row.failed - row.cancelled,
            failed=row.failed,
            cancelled=row.cancelled,
            total=row.total,
        ),
        status="in_progress" if row.in_progress else "completed",
        metadata=dict(row.metadata),
    )


def store_file(row: StoreFileRow, store_id: UUID) -> VectorStoreFile:
    """Show a file of a store."""
    return VectorStoreFile(
        id=shown_file_id(row.id),
        created_at=int(row.created_at.timestamp()),
        vector_store_id=shown_store_id(store_id),
        status=STATUSES[row.state],
        last_error=None if row.problem is None else _last_error(row.problem),
        usage_bytes=row.size,
        attributes=dict(row.attributes),
    )


def file_batch(row: StoreBatchRow, store_id: UUID) -> FileBatch:
    """Show a batch of files of a store."""
    counts = dict.fromkeys(STATUSES.values(), 0)
    for state, jobs in row.counts.items():
        counts[STATUSES[state]] += jobs
    shown = FileCounts(**counts, total=sum(counts.values()))
    return FileBatch(
        id=shown_batch_id(row.id),
        created_at=int(row.created_at.timestamp()),
        vector_store_id=shown_store_id(store_id),
        status=_batch_status(shown),
        file_counts=shown,
    )


def _batch_status(counts: FileCounts) -> FileStatus:
    """Return `cancelled` or `failed` only for a batch of which nothing came of anything."""
    if counts.in_progress:
        return "in_progress"
    if counts.completed or not counts.total:
        return "completed"
    return "cancelled" if counts.cancelled else "failed"


def _last_error(problem: Mapping[str, object]) -> LastError:
    code = str(problem.get("code", "internal_error"))
    message = f"{code}: {problem.get('detail', '')}"
    if code == "type_unsupported":
        return LastError(code="unsupported_file", message=message)
    if code in _INVALID:
        return LastError(code="invalid_file", message=message)
    return LastError(code="server_error", message=message)
