"""What runs on this machine, as /proc tells it: whose child is whose (proc(5))."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

# Fields of /proc/PID/stat after the command: the state, the parent, when it began (in ticks).
STATE, PARENT, BEGAN = 0, 1, 19
PARSER = "services.ingest_worker.parsing.child"


@dataclass(frozen=True, slots=True)
class Process:
    """A process; with its beginning its number is unique."""

    pid: int
    began: int


def running() -> dict[Process, int]:
    """Return every process that is no zombie, with its parent's number."""
    found: dict[Process, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[STATE] != "Z":
                found[Process(int(folder.name), int(fields[BEGAN]))] = int(fields[PARENT])
    return found


def family(pid: int) -> list[Process]:
    """Return a process and all its descendants, parents first."""
    there = running()
    return [one for one in there if one.pid == pid] + list(_below(pid, there))


def _below(pid: int, there: dict[Process, int]) -> Iterator[Process]:
    for one, parent in there.items():
        if parent == pid:
            yield one
            yield from _below(one.pid, there)


def children(pid: int) -> list[int]:
    """Return the numbers of a process's children."""
    return [one.pid for one, parent in running().items() if parent == pid]


def parsers_below(pid: int) -> list[int]:
    """Return the parser processes among a worker's descendants."""
    return [one.pid for one in family(pid) if PARSER in command_of(one.pid)]


def command_of(pid: int) -> list[str]:
    """Return a process's command line; of one that is gone, nothing."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return []


def send(pid: int, signal: Signals = SIGKILL) -> None:
    """Send a signal to a process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal)


def send_family(pid: int, signal: Signals = SIGKILL) -> None:
    """Send a signal to a process and all its descendants."""
    for one in family(pid):
        send(one.pid, signal)
