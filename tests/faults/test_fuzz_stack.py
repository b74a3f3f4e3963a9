"""Spoilt files, uploaded in bulk to a whole stack: each ends typed, and nothing else is left."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from citewell.client import Client, File
from tests.faults.kit import truth
from tests.faults.kit.alone import WayOut, alone
from tests.faults.kit.ground import Ground, check_gone, ground
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.processes import PARSER, Process, children, command_of, family
from tests.faults.kit.progress import Progress
from tests.faults.kit.settings import FuzzSettings
from tests.faults.kit.spoilt import FAULTS, made_seeds, spoilt_file, spoilt_files, wanted_seeds
from tests.faults.kit.strays import Places

SETTINGS = {
    "CITEWELL_INGEST_PARSER_MEMORY_BYTES": str(1024 * 1024 * 1024),
    "CITEWELL_INGEST_PART_TIMEOUT_S": "30",
}
SHORT_S = 3.0
LOT = 40
# So many may be open when the next lot is sent: enough to keep all workers busy.
MOST_OPEN = 100
ENDS_WITHIN_S = 400.0
QUIET_WITHIN_S = 30.0
POLL_S = 0.2
# How a spoilt file may end, if not well.
TYPED = FAULTS | {
    *("archive_unsafe", "file_corrupt", "file_empty", "file_encrypted", "file_too_large"),
    *("no_text_found", "parse_out_of_memory", "type_unsupported"),
}
# What Celery says of a task that failed untyped, and of one past its hard limit.
UNTHOUGHT = ("raised unexpected", "Hard time limit")
POSTGRES = "postgres: "
SEND = """
import socket
for family, to in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8:1::7")):
    with socket.socket(family, socket.SOCK_DGRAM) as out:
        out.sendto(b"here I am", (to, 9))
"""


@dataclass(frozen=True, slots=True)
class Household:
    """The processes of a stack: its parts by name, all there are, and those that may change."""

    parts: dict[str, int]
    everyone: frozenset[Process]
    parsers: frozenset[Process]
    connections: frozenset[Process]

    @classmethod
    def of(cls, field: Ground) -> "Household":
        there = {one: command_of(one.pid) for one in family(field.stack.process.pid)}
        parsers = {one for one, command in there.items() if PARSER in command}
        # Postgres has a process for each connection; one that just ended has no command.
        lines = {one: "".join(command) for one, command in there.items()}
        connections = {one for one in there if not lines[one] or lines[one].startswith(POSTGRES)}
        parts = dict(field.stack.ready["pids"])
        return cls(parts, frozenset(there), frozenset(parsers), frozenset(connections))

    @property
    def steady(self) -> frozenset[Process]:
        return self.everyone - self.parsers - self.connections

    def check(self, before: "Household", seen: set[Process]) -> None:
        """See that nobody came, went or was left behind, but for a parser for each slot."""
        assert self.parts == before.parts
        assert self.steady == before.steady
        assert len(self.parsers) <= len(children(self.parts["parse"]))
        check_gone(seen - self.everyone)


@dataclass(frozen=True, slots=True)
class Throwing:
    """What is thrown, and where the files that show a fault are kept."""

    seeds: list[Path]
    seed: int
    kept: Path

    def lots(self, most_s: float) -> Iterator[list[File]]:
        """Yield lots of spoilt files, each named by the number that makes it again."""
        thrown = spoilt_files(self.seeds, self.seed, most_s)
        while lot := list(islice(thrown, LOT)):
            yield [File(f"{number}-{path.name}", content) for number, path, content in lot]

    def keep(self, filename: str, code: str) -> None:
        """Make the upload again that this file was, or came in."""
        number = int(filename.partition("-")[0])
        path, content = spoilt_file(self.seeds, self.seed, number)
        self.kept.mkdir(exist_ok=True)
        target = self.kept / f"{code}-{self.seed}-{number}-{path.name}"
        target.write_bytes(content)
        print(f"  {filename}: kept {target}")


@contextmanager
def shut_in(folder: Path) -> Iterator[Ground]:
    """Start a stack with no way out; in the end see that nothing left or strayed."""
    places = Places(folder)
    with alone() as way_out:
        with ground(folder / "stack", SETTINGS | places.settings()) as field:
            yield field
            assert places.strays(field.stack) == []
        check_way_out(way_out)


def check_way_out(way_out: WayOut | None) -> None:
    """See that no packet left, and that nobody who could send one is still there."""
    if way_out is not None:
        assert way_out.packets() == []
        assert way_out.processes() == set()
        print("no packet left the machine")


def throw(client: Client, field: Ground, throwing: Throwing, most_s: float) -> Counter[str]:
    """Upload lot after lot, never with much open; return how all ended, by state or code."""
    ends: Counter[str] = Counter()
    for lot in throwing.lots(most_s):
        ends.update(one.problem.code for one in upload(client, lot, at_once=LOT) if one.problem)
        _until(lambda: truth.open_jobs(field.stack) < MOST_OPEN, ENDS_WITHIN_S)
    truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S)
    statement = "SELECT filename, state, problem ->> 'code' AS code FROM jobs"
    for row in truth.query(field.stack, statement):
        ends[row["code"] or row["state"]] += 1
        if row["code"] in FAULTS:
            throwing.keep(row["filename"], row["code"])
    return ends


def _until(condition: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {within_s:.0f} s"
        time.sleep(POLL_S)


def fuzz(field: Ground, throwing: Throwing, most_s: float) -> Counter[str]:
    """Throw for so long, then compare everything with what must be true."""
    before = Household.of(field)
    with client_of(field.stack) as client:
        with Progress(field.stack) as progress:
            ends = throw(client, field, throwing, most_s)
        print(f"{ends.total()} files: {ends}")
        check_truth(field, client)
    check_logs(field)
    Household.of(field).check(before, progress.seen)
    _until(lambda: not field.scratch_files(), QUIET_WITHIN_S)
    assert set(ends) <= TYPED | {"succeeded", "succeeded_with_warnings"}
    return ends


def check_logs(field: Ground) -> None:
    """See that no task ended by an error that nobody thought of, or was killed by Celery."""
    for log in sorted((field.stack.folder / "logs").glob("*.log*")):
        told = log.read_text(encoding="utf-8", errors="replace").splitlines()
        assert [line[:500] for line in told if any(one in line for one in UNTHOUGHT)] == []


def check_truth(field: Ground, client: Client) -> None:
    truth.check_rows(field.stack)
    truth.check_batches(client)
    truth.check_doctor(client)
    truth.check_points(field.stack)
    assert truth.query(field.stack, "SELECT * FROM parked_spaces") == []


def test_spoilt_uploads_end_typed_and_leave_nothing(tmp_path: Path, fuzzing: FuzzSettings) -> None:
    seeds = made_seeds(tmp_path / "seeds", 25, fuzzing.seed)
    with shut_in(tmp_path / "place") as field:
        ends = fuzz(field, Throwing(seeds, fuzzing.seed, tmp_path / "kept"), SHORT_S)
    assert ends.total() >= LOT


@pytest.mark.drill
def test_spoilt_uploads_for_minutes(tmp_path: Path, fuzzing: FuzzSettings) -> None:
    seeds = wanted_seeds(fuzzing, tmp_path / "seeds")
    with shut_in(tmp_path / "place") as field:
        throwing = Throwing(seeds, fuzzing.seed, tmp_path / "kept")
        fuzz(field, throwing, 60 * fuzzing.minutes)


def test_what_would_leave_the_machine_is_told() -> None:
    with alone() as way_out:
        if way_out is None:
            pytest.skip("no network of our own can be made here")
        assert way_out.packets() == []
        subprocess.run([sys.executable, "-c", SEND], check=True)
        assert way_out.packets() == [
            "protocol 17 to 198.51.100.7",
            "protocol 17 to 2001:db8:1::7",
        ]
