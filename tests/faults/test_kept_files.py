"""Files are kept, put into a store and taken away while everything is killed; none is lost."""

import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from openai import OpenAI

from shared.openai_ids import read_file_id
from tests.faults.kit import truth
from tests.faults.kit.drill import strike
from tests.faults.kit.faults import FAULTS, Fault, schedule
from tests.faults.kit.ground import Ground
from tests.faults.kit.keeping import Kept, keep_some, names_with, openai_of, some_files
from tests.faults.kit.load import client_of
from tests.faults.kit.settings import DrillSettings
from tests.support.stack import Stack

KEEPERS = 3
# Within this time of a round's beginning its fault strikes.
STRIKES_WITHIN_S = 0.5
ENDS_WITHIN_S = 300.0
DAY_S = 86_400
SHORT = ("ingest API", "parse worker", "embed worker")
SHORT_COUNT = 60
# Who must live for bytes and their row to be written both, or neither.
WRITERS = {"gateway", "parse", "postgres"}
UNNEEDED = """
    SELECT id FROM blobs b WHERE NOT EXISTS (SELECT FROM versions v WHERE v.blob_id = b.id)
        AND NOT EXISTS (SELECT FROM files f WHERE f.blob_id = b.id)"""


def keep_and_strike(stack: Stack, files: Sequence[Kept], faults: Sequence[Fault], seed: int) -> str:
    """Give the keepers their share of the files for each fault; return the store's id."""
    chance = random.Random(seed)
    with openai_of(stack) as client:
        store_id = client.vector_stores.create(name="drill").id
    for number, fault in enumerate(faults):
        some = files[number :: len(faults)]
        with ThreadPoolExecutor(KEEPERS) as keepers:
            working = [
                keepers.submit(keep_some, stack, store_id, some[first::KEEPERS], seed + first)
                for first in range(KEEPERS)
            ]
            time.sleep(chance.uniform(0, STRIKES_WITHIN_S))
            strike(stack, fault, chance)
        for one in working:
            one.result()
    truth.wait_until_ended(stack, within_s=ENDS_WITHIN_S)
    return store_id


def check_kept(client: OpenAI, store_id: str, files: Sequence[Kept]) -> None:
    """See that each file is where it was left, once, and read or said to be unreadable."""
    names = {file.name for file in files}
    kept = {one.id for one in client.files.list(limit=10_000) if one.filename in names}
    assert kept == {file.id for file in files if not file.fate.startswith("deleted")}
    listed = client.vector_stores.files.list(store_id, limit=100)
    states = {one.id: (one.status, one.last_error and one.last_error.code) for one in listed}
    members = sum(file.name.endswith(".zip") for file in files)
    staying = [file for file in files if file.fate == "stays"]
    assert len(states) == len(staying) + members
    for file in staying:
        wanted = ("completed", None) if file.word else ("failed", "unsupported_file")
        assert states[file.id] == wanted, file
    counts = client.vector_stores.retrieve(store_id).file_counts
    assert (counts.in_progress, counts.cancelled, counts.total) == (0, 0, len(states))


def check_found(client: OpenAI, store_id: str, files: Sequence[Kept]) -> None:
    """See that each word is found in the files that hold it and stay, and in no other."""
    for word in {file.word for file in files if file.word}:
        holding = {file.name for file in files if (file.word, file.fate) == (word, "stays")}
        assert names_with(client, store_id, word) == holding, word


def check_gone(stack: Stack, files: Sequence[Kept]) -> None:
    """See that of what was taken away no row, no text and no bytes are left."""
    gone = [str(read_file_id(file.id)) for file in files if file.fate != "stays"]
    statement = "SELECT id FROM documents WHERE file_id = ANY(%(gone)s::uuid[])"
    assert truth.query(stack, statement, gone=gone) == []
    left = {file.word for file in files if file.fate == "stays"}
    words = [f"%{file.word}%" for file in files if file.word not in left]
    statement = "SELECT id FROM chunks WHERE text LIKE ANY(%(words)s)"
    assert truth.query(stack, statement, words=words) == []
    assert truth.query(stack, UNNEEDED) == []


def check_bytes(stack: Stack) -> int:
    """See that each blob has a row and each row a blob; return how many the kills had left over.

    What nobody needs is removed when it is a day old: here all is.
    """
    folder = stack.folder / "blobs"
    old = time.time() - 2 * DAY_S
    for path in (path for path in folder.rglob("*") if path.is_file()):
        os.utime(path, (old, old))
    with client_of(stack) as client:
        found = client.doctor(fix=True)
    assert found.well, found
    there = {UUID(path.name) for path in folder.rglob("*") if path.is_file()}
    assert there == {row["id"] for row in truth.query(stack, "SELECT id FROM blobs")}
    left = {one.kind: one.fixed for one in found.differences if one.count}
    assert left.keys() <= {"bytes_orphaned"}
    return left.get("bytes_orphaned", 0)


def drill_kept_files(field: Ground, seed: int, count: int, faults: Sequence[Fault]) -> None:
    files = some_files(count, seed)
    store_id = keep_and_strike(field.stack, files, faults, seed)
    with client_of(field.stack) as client:
        truth.check_doctor(client)
    with openai_of(field.stack) as client:
        check_kept(client, store_id, files)
        check_found(client, store_id, files)
    check_gone(field.stack, files)
    truth.check_rows(field.stack)
    points, orphans = truth.check_points(field.stack), check_bytes(field.stack)
    # Those that were being written, one of each keeper.
    assert orphans <= KEEPERS * sum(not WRITERS.isdisjoint(fault.parts) for fault in faults)
    print(f"{count} files, {len(faults)} faults: {points} points, {orphans} blobs were left over")


def test_no_kept_file_is_lost_or_left_when_workers_and_the_api_are_killed(
    field: Ground, seed: int
) -> None:
    drill_kept_files(field, seed, SHORT_COUNT, [one for one in FAULTS if one.name in SHORT])


@pytest.mark.drill
def test_no_kept_file_is_lost_or_left_whatever_is_killed(
    field: Ground, drill: DrillSettings, seed: int
) -> None:
    drill_kept_files(field, seed, drill.count, schedule(seed, drill.rounds))
