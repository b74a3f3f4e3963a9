"""Signs of life: a child process dies with its parent, a living process touches its file."""

import ctypes
import signal
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for a SIGKILL when the parent's thread ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def touch(path: Path | None) -> None:
    """Touch a process's file, if it has one; a disk that is full is told of elsewhere."""
    if path is not None:
        with suppress(OSError):
            path.touch()
