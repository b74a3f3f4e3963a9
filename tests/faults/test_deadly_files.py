"""A file that kills its parser, or never ends, harms only itself."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGSEGV
from threading import Event, Thread

import pytest

from citewell.client import File
from tests.faults.kit import truth
from tests.faults.kit.ground import Ground, ground
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.processes import parsers_below, send
from tests.support.files import write_files

SETTINGS = {
    "CITEWELL_INGEST_PARSER_MEMORY_BYTES": str(256 * 1024 * 1024),
    "CITEWELL_INGEST_PART_TIMEOUT_S": "4",
}
SHORT_GOOD = 30
GOOD = 200
ENDS_WITHIN_S = 240.0
# Long enough for the file to have reached its parser.
READING_S = 0.3
# The deadly files: how each is made, how its job must end, and how much longer the others may take.
CASES = {
    "memory": ("parse_out_of_memory", 1.5),
    "crash": ("parser_crashed", 1.5),
    "endless": ("parse_timeout", 2.2),
}


@pytest.fixture(scope="module")
def deadly_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("deadly"), SETTINGS) as field:
        yield field


def deadly_file(folder: Path, kind: str) -> File:
    """Write a real file that takes gigabytes as a tree, or far longer than its part may."""
    path = folder / f"deadly-{kind}.{'html' if kind == 'memory' else 'eml'}"
    if kind == "memory":
        path.write_bytes(b"<html><body>" + b"<p>word <b>x</b></p>" * 1_500_000)
    else:
        path.write_bytes(
            b"Content-Type: text/plain; " + b"a=b;" * 600_000 + kind.encode() + b"\n\n"
        )
    return File(path.name, path)


@contextmanager
def crashing(field: Ground, deadly: File) -> Iterator[None]:
    """Send a segmentation fault to whichever parser reads this file."""
    over = Event()
    thread = Thread(target=_crash_readers, args=(field.scratch, deadly.size, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _crash_readers(scratch: Path, size: int, over: Event) -> None:
    while not over.wait(0.05):
        for copy in scratch.glob("citewell-*/*"):
            # No other file is of this size.
            if _size(copy) == size:
                over.wait(READING_S)
                # The folder is named after the worker process that made it.
                worker = int(copy.parent.name.split("-")[2])
                for parser in parsers_below(worker) if copy.exists() else ():
                    send(parser, SIGSEGV)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def time_good(field: Ground, folder: Path, count: int, deadly: File | None = None) -> float:
    """Ingest fresh good files, behind a deadly one if given; return the seconds they took."""
    seed = time.monotonic_ns()
    folder.mkdir(parents=True)
    files = [
        File(f"{seed}/{path.relative_to(folder)}", path)
        for path in write_files(folder, count, seed)
    ]
    with client_of(field.stack) as client:
        upload(client, [deadly] if deadly else [])
        began = time.monotonic()
        upload(client, files, at_once=count)
        wait_for_good(field, f"{seed}/%", count)
        return time.monotonic() - began


def wait_for_good(field: Ground, like: str, count: int) -> None:
    statement = """SELECT state, count(*) AS n FROM jobs WHERE filename LIKE %(like)s
        GROUP BY state"""
    end = time.monotonic() + ENDS_WITHIN_S
    while True:
        states = {row["state"]: row["n"] for row in truth.query(field.stack, statement, like=like)}
        if states == {"succeeded": count}:
            return
        assert time.monotonic() < end, states
        assert not {"failed", "cancelled"} & states.keys(), states
        time.sleep(0.05)


def time_beside(field: Ground, folder: Path, kind: str, count: int) -> float:
    """Return the seconds good files take beside a deadly one, whose own end is checked."""
    deadly = deadly_file(folder, kind)
    if kind == "crash":
        with crashing(field, deadly):
            took = time_good(field, folder / "beside", count, deadly)
            truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S)
    else:
        took = time_good(field, folder / "beside", count, deadly)
        truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S)
    found = truth.outcomes(field.stack)[deadly.name]
    assert (found.state, found.code) == ("failed", CASES[kind][0])
    assert field.scratch_files() == []
    return took


@pytest.mark.parametrize("kind", CASES)
def test_a_deadly_file_fails_by_itself(deadly_ground: Ground, tmp_path: Path, kind: str) -> None:
    time_beside(deadly_ground, tmp_path, kind, SHORT_GOOD)


@pytest.mark.drill
@pytest.mark.parametrize("kind", CASES)
def test_two_hundred_files_beside_a_deadly_one_take_little_longer(
    deadly_ground: Ground, tmp_path: Path, kind: str
) -> None:
    before = time_good(deadly_ground, tmp_path / "before", GOOD)
    beside = time_beside(deadly_ground, tmp_path, kind, GOOD)
    after = time_good(deadly_ground, tmp_path / "after", GOOD)
    print(json.dumps({"kind": kind, "before": before, "beside": beside, "after": after}))
    assert beside <= CASES[kind][1] * (before + after) / 2
