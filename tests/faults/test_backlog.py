"""One tenant's backlog neither delays another's file nor fills the ingest API's memory."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from uuid import uuid4

import pytest

from citewell.client import Client, File
from services.ingest_worker.parsing.family import resident_bytes
from tests.faults.kit import truth
from tests.faults.kit.corpus import small_texts
from tests.faults.kit.ground import Ground, ground
from tests.faults.kit.holders import zipped
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.processes import family, send_family
from tests.faults.kit.settings import DrillSettings

OTHER = "other"
A_REQUEST = 1000
# Requests after which the process has grown to its size.
WARM = 3
GROWTH_MIB = 64
LATER_S = 5.0
# What unpacking may take of a worker slot and its parser, beyond what a slot had before.
UNPACKING_MIB = 256
MEMBERS = 10_000
UNPACKED_WITHIN_S = 300.0
SEARCHABLE_WITHIN_S = 120.0
MIB = 1024 * 1024


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path / "stack") as field:
        yield field


def searchable_after(client: Client, folder: Path) -> float:
    """Upload one file; return the seconds until a search finds it."""
    word = f"single{uuid4().hex}"
    [file] = small_texts(folder / word, 1, prefix=word)
    began = time.monotonic()
    upload(client, [file])
    while not client.search(f"{word}0word", mode="sparse", limit=1).hits:
        assert time.monotonic() - began < SEARCHABLE_WITHIN_S
        time.sleep(0.02)
    return time.monotonic() - began


def fill(field: Ground, folder: Path, count: int) -> list[int]:
    """Queue files while nobody parses; return the ingest API's memory (MiB) after each request."""
    parse, gateway = (field.stack.ready["pids"][part] for part in ("parse", "gateway"))
    files, memory = small_texts(folder, count), []
    send_family(parse, SIGSTOP)
    try:
        with client_of(field.stack) as client:
            for first in range(0, count, A_REQUEST):
                upload(client, files[first : first + A_REQUEST], at_once=A_REQUEST)
                memory.append(resident_bytes(gateway) // MIB)
    finally:
        send_family(parse, SIGCONT)
    return memory


def check_backlog(field: Ground, folder: Path, count: int) -> None:
    with client_of(field.stack, field.stack.key_of(OTHER)) as client:
        searchable_after(client, folder)
        alone = sorted(searchable_after(client, folder) for _ in range(3))[1]
        began = time.monotonic()
        memory = fill(field, folder / "backlog", count)
        took = time.monotonic() - began
        beside = [searchable_after(client, folder) for _ in range(3)]
    left = truth.open_jobs(field.stack)
    print(f"{count} files taken in {took:.0f} s; the ingest API's memory, MiB: {memory}")
    print(f"searchable after {alone:.1f} s alone, {beside} s beside {left} open jobs")
    assert left > count // 4
    assert max(beside) <= alone + LATER_S
    assert memory[-1] - memory[min(WARM, len(memory) - 1)] <= GROWTH_MIB


def test_one_file_does_not_wait_behind_two_thousand(idle: Ground, tmp_path: Path) -> None:
    check_backlog(idle, tmp_path, 2000)


@pytest.mark.drill
def test_one_file_does_not_wait_behind_fifty_thousand(
    idle: Ground, drill: DrillSettings, tmp_path: Path
) -> None:
    check_backlog(idle, tmp_path, drill.backlog)


def check_archive(field: Ground, folder: Path, count: int) -> None:
    """Upload one archive of small files; another tenant's file is found soon all the while."""
    paths = [folder / "held" / one.name for one in small_texts(folder / "held", count)]
    archive = File("all.zip", zipped({path.name: path.read_bytes() for path in paths}))
    parse = field.stack.ready["pids"]["parse"]
    with client_of(field.stack, field.stack.key_of(OTHER)) as other:
        searchable_after(other, folder)
        alone = sorted(searchable_after(other, folder) for _ in range(3))[1]
        before, began = largest_below(parse), time.monotonic()
        with client_of(field.stack) as client:
            upload(client, [archive])
        beside, memory = watch(field, other, folder, count)
    took = time.monotonic() - began
    print(f"{count} members: all in after {took:.0f} s, memory {before} to {memory} MiB")
    print(f"searchable after {alone:.1f} s alone, {beside} s beside it")
    assert max(beside) <= alone + LATER_S
    assert memory - before <= UNPACKING_MIB


def watch(field: Ground, other: Client, folder: Path, count: int) -> tuple[list[float], int]:
    """Upload files until all members are jobs; return their times, and the memory in MiB."""
    parse, beside, memory = field.stack.ready["pids"]["parse"], list[float](), 0
    end = time.monotonic() + UNPACKED_WITHIN_S
    while truth.check_members(field.stack, "all.zip") < count:
        assert time.monotonic() < end
        memory = max(memory, largest_below(parse))
        beside.append(searchable_after(other, folder))
    return beside, memory


def largest_below(pid: int) -> int:
    """Return the memory of the largest of a process's family, MiB."""
    largest = 0
    for one in family(pid):
        with suppress(FileNotFoundError):
            largest = max(largest, resident_bytes(one.pid))
    return largest // MIB


@pytest.mark.drill
def test_one_file_does_not_wait_behind_an_archive_of_ten_thousand(
    idle: Ground, tmp_path: Path
) -> None:
    check_archive(idle, tmp_path, MEMBERS)
