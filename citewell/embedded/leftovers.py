"""Processes of an earlier run that was killed: found in /proc and given a last chance to end."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

PROC = Path("/proc")
_POLL_S = 0.05


def with_environment(variable: str, value: str) -> list[int]:
    """Return the processes that were started with this variable; never this one."""
    wanted = f"{variable}={value}".encode()
    return [pid for pid in _others() if wanted in _read(pid, "environ").split(b"\0")]


def working_in(folder: Path) -> list[int]:
    """Return the processes whose working folder is this one; never this one."""
    return [pid for pid in _others() if _is_inside(pid, folder)]


def wait_for_end(find: Callable[[], list[int]], patience_s: float) -> None:
    """Wait until `find` finds none; kill those that are left when the patience is over.

    Raises:
        TimeoutError: some cannot even be killed.
    """
    deadline = time.monotonic() + patience_s
    last = deadline + patience_s
    while left := find():
        now = time.monotonic()
        if now > last:
            raise TimeoutError(f"processes {left} of an earlier run do not end")
        if now > deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, SIGKILL)
        time.sleep(_POLL_S)


def _others() -> Iterator[int]:
    numbers = (int(entry.name) for entry in PROC.glob("[0-9]*"))
    return (pid for pid in numbers if pid != os.getpid())


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return (PROC / str(pid) / name).read_bytes()
    return b""


def _is_inside(pid: int, folder: Path) -> bool:
    with suppress(OSError):
        return (PROC / str(pid) / "cwd").samefile(folder)
    return False
