"""A process and what it started, seen from outside: its memory, its end, its scratch folder."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory, 0 when it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def family_bytes(pid: int) -> int:
    """Return the resident memory of a process and of all it started, directly or not."""
    return resident_bytes(pid) + sum(map(family_bytes, _children(pid)))


def end_family(pid: int) -> None:
    """Kill whoever lives in the session of a process that leads one; also after its own end."""
    with suppress(ProcessLookupError):
        # Its number is not given anew while anybody is left in its group.
        if any(_session(other) == pid for other in _processes()):
            os.killpg(pid, signal.SIGKILL)


def folder_size(folder: Path) -> tuple[int, int]:
    """Return how many files lie in a flat folder, and their bytes."""
    sizes = [_size(entry) for entry in _entries(folder)]
    return len(sizes), sum(sizes)


def empty_folder(folder: Path) -> None:
    """Remove the files of a flat folder."""
    for entry in _entries(folder):
        with suppress(OSError):
            Path(entry.path).unlink()


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [child for thread in threads for child in _children_of(thread)]
    return []


def _children_of(thread: Path) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in (thread / "children").read_text(encoding="ascii").split()]
    return []


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _session(pid: int) -> int | None:
    """Return a process's session; None when it is gone or waits to be buried."""
    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, _, _, session = told.rpartition(")")[2].split()[:4]
        return None if state in "ZX" else int(session)
    return None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _size(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        found = entry.stat(follow_symlinks=False)
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    return 0
