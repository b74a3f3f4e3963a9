"""What is true at the end: Postgres' rows, Qdrant's points and the doctor's word."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from citewell.client import Client, ClientError
from shared.settings import QdrantSettings
from shared.vectors.build import build_vector_store
from tests.support.stack import Stack

OPEN = ("queued", "parsing", "embedding")
# The first tenant; others are made by their keys.
TENANT = "default"
WELL_WITHIN_S = 90.0

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the newest version of a name."""

    state: str
    code: str | None
    warnings: tuple[str, ...]
    chunks: tuple[str, ...]


def query(stack: Stack, statement: str, **values: object) -> Rows:
    """Read from Postgres as the workers do, across tenants.

    Raises:
        psycopg.OperationalError: it is down.
    """
    with psycopg.connect(stack.database_url, row_factory=dict_row) as connection:
        connection.execute("SET ROLE citewell_worker")
        return connection.execute(statement.encode(), values).fetchall()


def open_jobs(stack: Stack, tenant: str = TENANT) -> int:
    """Count the jobs that have not ended; 1 while Postgres is down."""
    statement = "SELECT count(*) AS n FROM jobs WHERE tenant_id = %(t)s AND state = ANY(%(open)s)"
    try:
        return int(query(stack, statement, t=tenant, open=list(OPEN))[0]["n"])
    except (psycopg.OperationalError, FileNotFoundError, IndexError):
        return 1


def wait_until_ended(stack: Stack, *, within_s: float, tenant: str = TENANT) -> float:
    """Wait until no job of a tenant is open; return the seconds that took."""
    began = time.monotonic()
    while open_jobs(stack, tenant):
        assert time.monotonic() - began < within_s, _stuck(stack, tenant)
        time.sleep(0.1)
    return time.monotonic() - began


def _stuck(stack: Stack, tenant: str) -> Rows:
    statement = """SELECT id, filename, state, stage, parts_left, chunks_left,
        waiting_for, updated_at
        FROM jobs WHERE tenant_id = %(t)s AND state = ANY(%(open)s) LIMIT 10"""
    return query(stack, statement, t=tenant, open=list(OPEN))


def outcomes(stack: Stack, tenant: str = TENANT) -> dict[str, Outcome]:
    """Return what became of every name: state, problem, warnings and all chunks' texts in order."""
    statement = """
        SELECT DISTINCT ON (j.filename) j.filename, j.state, j.problem ->> 'code' AS code,
            ARRAY(SELECT w ->> 'code' FROM jsonb_array_elements(j.warnings) w ORDER BY 1)
                AS warnings,
            ARRAY(SELECT c.text FROM chunks c WHERE c.version_id = j.version_id
                  ORDER BY c.index_id, c.ordinal) AS chunks
        FROM jobs j WHERE j.tenant_id = %(t)s AND j.duplicate_of IS NULL
        ORDER BY j.filename, j.version DESC, j.created_at DESC"""
    return {
        row["filename"]: Outcome(
            row["state"], row["code"], tuple(row["warnings"]), tuple(row["chunks"])
        )
        for row in query(stack, statement, t=tenant)
    }


def live_texts(stack: Stack, tenant: str = TENANT) -> int:
    """Count the different texts of the chunks: what is to be paid for, once each."""
    statement = "SELECT count(DISTINCT text_sha256) AS n FROM chunks WHERE tenant_id = %(t)s"
    return int(query(stack, statement, t=tenant)[0]["n"])


def check_rows(stack: Stack) -> None:
    """No ordinal twice, nothing left in a queue, and every end has its moment."""
    twice = """SELECT version_id, index_id, ordinal FROM chunks
        GROUP BY version_id, index_id, ordinal HAVING count(*) > 1"""
    assert query(stack, twice) == []
    gaps = """SELECT version_id, index_id FROM chunks GROUP BY version_id, index_id
        HAVING count(*) <> max(ordinal) + 1"""
    assert query(stack, gaps) == []
    assert query(stack, "SELECT count(*) AS n FROM embed_queue") == [{"n": 0}]
    sizes = """SELECT d.id FROM documents d JOIN blobs b ON b.size <> d.newest_size
        JOIN versions v ON v.blob_id = b.id AND v.document_id = d.id
            AND v.number = d.newest_version"""
    assert query(stack, sizes) == []
    endless = "SELECT id FROM jobs WHERE (finished_at IS NULL) = (state <> ALL(%(open)s))"
    assert query(stack, endless, open=list(OPEN)) == []


def check_members(stack: Stack, prefix: str = "") -> int:
    """See that each name came in once, and members are counted; return how many these are.

    The prefix is that of files whose names were sent once.
    """
    twice = """SELECT tenant_id, filename FROM jobs WHERE starts_with(filename, %(prefix)s)
        GROUP BY tenant_id, filename HAVING count(*) > 1"""
    assert query(stack, twice, prefix=prefix) == []
    miscounted = """SELECT o.filename, o.members, count(m.id) AS n
        FROM jobs o LEFT JOIN jobs m ON m.origin = o.id WHERE o.origin IS NULL
        GROUP BY o.id HAVING o.members <> count(m.id)"""
    assert query(stack, miscounted) == []
    return int(query(stack, "SELECT count(origin) AS n FROM jobs")[0]["n"])


def check_batches(client: Client) -> int:
    """See that every batch's counts sum to its total; return how many jobs that are."""
    jobs, cursor = 0, None
    while True:
        page = client.batches(cursor=cursor, limit=100)
        for batch in page.items:
            assert sum(batch.counts.values()) == batch.total, batch
            assert batch.ended, batch
        jobs += sum(batch.total for batch in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return jobs


def check_points(stack: Stack) -> int:
    """See that Qdrant holds the live versions' chunks as points and no other; return how many."""
    statement = """SELECT c.index_id, c.version_id, count(*) AS n FROM chunks c
        JOIN versions v ON v.id = c.version_id
        JOIN documents d ON d.id = v.document_id AND d.live_version = v.number
        GROUP BY c.index_id, c.version_id"""
    expected: dict[UUID, dict[UUID, int]] = {}
    for row in query(stack, statement):
        expected.setdefault(row["index_id"], {})[row["version_id"]] = row["n"]
    asyncio.run(_compare(stack, expected))
    return sum(sum(versions.values()) for versions in expected.values())


async def _compare(stack: Stack, expected: dict[UUID, dict[UUID, int]]) -> None:
    store = build_vector_store(qdrant_settings(stack.environment()))
    try:
        for index in query(stack, "SELECT id FROM indexes"):
            versions = expected.get(index["id"], {})
            assert await store.count(index["id"]) == sum(versions.values())
            assert await store.count_versions(index["id"], versions.keys()) == versions
    finally:
        await store.aclose()


def qdrant_settings(environment: Mapping[str, str]) -> QdrantSettings:
    """Return where a stack's Qdrant is."""
    names = {"url": "CITEWELL_QDRANT_URL", "api_key": "CITEWELL_QDRANT_API_KEY"}
    found = {field: environment[name] for field, name in names.items() if name in environment}
    return QdrantSettings.model_validate(found)


def check_doctor(client: Client) -> None:
    """Wait until what is deleted is gone; then the doctor must find nothing at all."""
    end = time.monotonic() + WELL_WITHIN_S
    while True:
        try:
            found = client.doctor()
        except ClientError:
            assert time.monotonic() < end
            continue
        pending = found.pending.tombstones + found.pending.documents + found.pending.collections
        if found.well and not pending:
            break
        assert time.monotonic() < end, found
        time.sleep(0.5)
    assert [one for one in found.differences if one.count] == []
