"""Archives meet faults while they are unpacked: what is in them comes out once, and whole."""

import random
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

import pytest

from citewell.client import File
from shared.settings import IngestSettings
from tests.faults.kit import truth
from tests.faults.kit.corpus import small_texts
from tests.faults.kit.drill import strike
from tests.faults.kit.faults import FAULTS, Fault
from tests.faults.kit.ground import Ground
from tests.faults.kit.holders import zipped
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.settings import DrillSettings

MEMBERS = 300
ENDS_WITHIN_S = 120.0
LOOK_S = 0.005
# Archives in each other: ten times as deep as they may lie.
CHAIN = 40
# How long after unpacking began the fault strikes, at most: it takes about so long.
UNPACKED_S = 0.4
# So often more, and each time sooner, where every fault came when the members were there.
MORE = 6
KILLS = {"parse child", "parse slot", "parse worker", "Postgres", "SIGTERM roll"}
SHORT_KILLS = {"parse slot", "Postgres"}
STRUCK = [fault for fault in FAULTS if fault.name in KILLS]


def archive(folder: Path, name: str) -> File:
    """Return a zip of small texts, each with a word that no other has."""
    paths = [folder / one.name for one in small_texts(folder, MEMBERS, prefix=name)]
    return File(f"{name}.zip", zipped({path.name: path.read_bytes() for path in paths}))


def strike_while_unpacking(
    field: Ground, fault: Fault, file: File, chance: random.Random, most_s: float
) -> bool:
    """Strike while an uploaded archive is unpacked; return whether none of it was there yet."""
    with client_of(field.stack) as client:
        upload(client, [file])
    end = time.monotonic() + ENDS_WITHIN_S
    while stage_of(field, file) != "unpack":
        assert time.monotonic() < end
        time.sleep(LOOK_S)
    time.sleep(chance.uniform(0, most_s))
    strike(field.stack, fault, chance)
    return members_of(field, file) == []


def stage_of(field: Ground, file: File) -> str | None:
    statement = "SELECT stage FROM jobs WHERE filename = %(name)s"
    rows = truth.query(field.stack, statement, name=file.name)
    return rows[0]["stage"] if rows else None


def members_of(field: Ground, file: File) -> truth.Rows:
    statement = """SELECT filename, state FROM jobs
        WHERE starts_with(filename, %(name)s || '/') ORDER BY filename"""
    return truth.query(field.stack, statement, name=file.name)


def check_whole(field: Ground, file: File) -> None:
    """See that every member is a job and a document, once, with the chunk of its own text."""
    word = file.name.removesuffix(".zip")
    names = [f"{file.name}/{word}-{number:06}.txt" for number in range(MEMBERS)]
    assert members_of(field, file) == [{"filename": name, "state": "succeeded"} for name in names]
    found = {name: one for name, one in truth.outcomes(field.stack).items() if name in names}
    assert [len(found[name].chunks) for name in names] == [1] * MEMBERS
    assert all(f"{word}{at}word" in found[name].chunks[0] for at, name in enumerate(names))


def check_unpacking(field: Ground, folder: Path, seed: int, faults: Sequence[Fault]) -> None:
    chance, word = random.Random(seed), f"held{uuid4().hex}"
    midway = 0
    for number, fault in enumerate((*faults, *islice(cycle(faults), MORE))):
        late = max(0, number - len(faults) + 1)
        if late and midway:
            break
        file = archive(folder / str(number), f"{word}n{number}")
        midway += strike_while_unpacking(field, fault, file, chance, UNPACKED_S / 2**late)
        truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S)
        check_whole(field, file)
    print(f"{midway} of at least {len(faults)} faults fell before the members were there")
    assert midway
    truth.check_members(field.stack, word)
    truth.check_rows(field.stack)
    with client_of(field.stack) as client:
        truth.check_batches(client)
        truth.check_doctor(client)


def test_archives_killed_while_unpacked_come_out_once(
    field: Ground, seed: int, tmp_path: Path
) -> None:
    check_unpacking(field, tmp_path, seed, [one for one in STRUCK if one.name in SHORT_KILLS])


def chained(word: str) -> bytes:
    """Return an archive in an archive, and so on."""
    content = zipped({f"{word}.txt": word.encode()})
    for _ in range(CHAIN):
        content = zipped({"inner.zip": content})
    return content


def test_archives_in_each_other_without_end_end_typed(field: Ground) -> None:
    word = f"endless{uuid4().hex}"
    with client_of(field.stack) as client:
        upload(client, [File(f"{word}.zip", chained(word))])
        truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S)
        truth.check_batches(client)
    statement = """SELECT problem ->> 'code' AS code FROM jobs
        WHERE starts_with(filename, %(word)s) ORDER BY depth"""
    ends = [row["code"] for row in truth.query(field.stack, statement, word=word)]
    assert ends == [*[None] * IngestSettings().max_archive_depth, "archive_unsafe"]
    truth.check_members(field.stack, word)


@pytest.mark.drill
def test_archives_killed_while_unpacked_for_long(
    field: Ground, seed: int, drill: DrillSettings, tmp_path: Path
) -> None:
    check_unpacking(field, tmp_path, seed, STRUCK * drill.rounds)
