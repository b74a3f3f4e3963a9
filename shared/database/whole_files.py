"""Small files end their parsing together: one statement a table, however many files.

A file read whole, in one part, goes from its claim to the embed queue in one transaction.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.chunks import Chunks, NewChunk
from shared.database.events import Events
from shared.database.jobs import CHANGED, TOUCH, Jobs
from shared.database.parts import ClaimedPart
from shared.models import JobWarning

FINISH = text("""
UPDATE parts p
SET state = 'done', claim = NULL, lease_until = NULL, page_start = 1, page_end = r.pages,
    elements = r.elements, warnings = r.warnings
FROM unnest(
    CAST(:versions AS uuid[]), CAST(:claims AS uuid[]), CAST(:pages AS int[]),
    CAST(:elements AS bytea[]), CAST(:warnings AS jsonb[])
) AS r(version_id, claim, pages, elements, warnings)
WHERE p.version_id = r.version_id AND p.number = 0 AND p.claim = r.claim
RETURNING p.job_id
""")
DESCRIBE = text("""
UPDATE versions v SET pages = r.pages, media_type = r.media_type, parser = r.parser
FROM unnest(
    CAST(:versions AS uuid[]), CAST(:pages AS int[]), CAST(:media_types AS text[]),
    CAST(:parsers AS text[])
) AS r(id, pages, media_type, parser)
WHERE v.id = r.id
""")
HAND_OVER = text(f"""
UPDATE jobs j
SET state = 'embedding', stage = 'embed', {TOUCH}, parts_total = 1, parts_left = 0,
    pages_total = r.pages, pages_done = r.pages, chunks_total = r.chunks, chunks_left = r.chunks,
    warnings = r.warnings, stage_at = now(), timings = j.timings || r.timings
FROM unnest(
    CAST(:jobs AS uuid[]), CAST(:pages AS int[]), CAST(:chunks AS int[]),
    CAST(:warnings AS jsonb[]), CAST(:timings AS jsonb[])
) AS r(job_id, pages, chunks, warnings, timings)
WHERE j.id = r.job_id AND j.state = 'parsing' {CHANGED}
""")  # noqa: S608 - constants of another module


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A file that was one part, read and cut: all that its parsing leaves behind."""

    part: ClaimedPart
    media_type: str
    parser: str
    pages: int
    elements: bytes
    warnings: Sequence[JobWarning]
    chunks: Collection[NewChunk]
    parse_ms: float
    chunk_ms: float


class WholeFiles:
    """What ends the parsing of files in one part, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def finish(self, files: Sequence[WholeFile]) -> set[UUID]:
        """Store what was read, queue the chunks and hand the jobs over to embedding.

        Of a file whose claim is lost nothing is written; the jobs of the others are returned.
        """
        await Jobs(self._connection).lock([file.part.job_id for file in files])
        finished = await self._connection.execute(FINISH, _part_columns(files))
        held = set(finished.scalars())
        if kept := [file for file in files if file.part.job_id in held]:
            await self._hand_over(kept)
        return held

    async def _hand_over(self, files: Sequence[WholeFile]) -> None:
        columns, chunks = _job_columns(files), Chunks(self._connection)
        await self._connection.execute(DESCRIBE, columns)
        await chunks.clear(columns["versions"])
        await chunks.queue(chunk for file in files for chunk in file.chunks)
        moved = await self._connection.execute(HAND_OVER, columns)
        await Events(self._connection).add_job_events([dict(row) for row in moved.mappings()])


def _part_columns(files: Sequence[WholeFile]) -> dict[str, list[Any]]:
    return {
        "versions": [file.part.key.version_id for file in files],
        "claims": [file.part.claim for file in files],
        "pages": [file.pages for file in files],
        "elements": [file.elements for file in files],
        "warnings": [_warnings(file) for file in files],
    }


def _job_columns(files: Sequence[WholeFile]) -> dict[str, list[Any]]:
    return {
        "jobs": [file.part.job_id for file in files],
        "versions": [file.part.key.version_id for file in files],
        "media_types": [file.media_type for file in files],
        "parsers": [file.parser for file in files],
        "pages": [file.pages for file in files],
        "chunks": [len(file.chunks) for file in files],
        "warnings": [_warnings(file) for file in files],
        "timings": [_timings(file) for file in files],
    }


def _warnings(file: WholeFile) -> str:
    return json.dumps([warning.model_dump() for warning in file.warnings])


def _timings(file: WholeFile) -> str:
    return json.dumps({"parse": round(file.parse_ms), "chunk": round(file.chunk_ms)})
