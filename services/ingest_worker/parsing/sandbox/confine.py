"""What holds a parser process: told ahead to anyone, put on by the child before its first file."""

import mimetypes
import resource
import struct
import sys
from ctypes import create_string_buffer
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from typing_extensions import override

import services
import shared
from services.ingest_worker.parsing.memory import forget_peak
from services.ingest_worker.parsing.sandbox import landlock, seccomp
from services.ingest_worker.parsing.sandbox.kernel import prctl, syscall
from services.ingest_worker.parsing.sandbox.landlock import Grant

Level = Literal["none", "seccomp", "full"]
LEVELS: tuple[Level, ...] = ("none", "seccomp", "full")

OPEN_FILES = 256
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITIES_V3 = 0x20080522
_DAC_READ_SEARCH = 1 << 2
# What starting a program needs besides the program; no more can be done through it than the
# parser itself can do.
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts"),
    *("/dev/urandom", "/dev/zero"),
    *mimetypes.knownfiles,
)


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the kernel offers: Landlock's version (0: none), and seccomp."""

    landlock: int
    seccomp: bool

    @property
    def level(self) -> Level:
        """How well a parser process is held here."""
        if not self.seccomp:
            return "none"
        return "full" if self.landlock else "seccomp"

    def reaches(self, least: Level) -> bool:
        """Tell whether it is at least as good as `least`."""
        return LEVELS.index(self.level) >= LEVELS.index(least)

    @override
    def __str__(self) -> str:
        if self.level == "full":
            return f"full (Landlock {self.landlock}, seccomp)"
        return "seccomp, without Landlock" if self.seccomp else "none"


class Cell(BaseModel):
    """What one parser process is given: whose child it is, what it may take, read, write and run.

    `files` is read; `scratch` may be written, flat, `scratch_bytes` a file. `least` is the
    isolation without which it must not start.
    """

    parent: int
    memory_bytes: int
    files: Path
    scratch: Path
    scratch_bytes: int
    programs: tuple[Path, ...] = ()
    least: Level = "seccomp"


class IsolationMissing(OSError):
    """The kernel does not offer the isolation that is asked for."""


def isolation_here() -> Isolation:
    """Return what a parser process on this kernel can be held by; changes nothing."""
    return Isolation(landlock.version(), seccomp.available())


def confine(cell: Cell) -> Isolation:
    """Shut this process in for good, and return what holds it.

    Call it when everything is imported and before anything of a file is read; there must be one
    thread only, for Landlock holds the thread that asks for it and those it starts.

    Raises:
        IsolationMissing: not even `cell.least` can be had, or there are other threads.
    """
    _limit(cell)
    found = isolation_here()
    if not found.reaches(cell.least):
        raise IsolationMissing(f"The kernel offers {found}, not {cell.least}.")
    if found.level == "none":
        return found
    # Through a descriptor that is opened now: /proc will be out of reach.
    forget_peak()
    _give_up_privileges(found)
    if found.landlock:
        _one_thread()
        landlock.restrict(_grants(cell))
    seccomp.restrict(_permissions(cell, found))
    return found


def _limit(cell: Cell) -> None:
    for what, most in (
        (resource.RLIMIT_AS, cell.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, cell.scratch_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        hard = resource.getrlimit(what)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (limit, limit))


def _give_up_privileges(found: Isolation) -> None:
    """No way to more rights; for root, no right but to read, where Landlock says what."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Orphans of a program come back here, so that the family stays whole and can be counted.
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    have = create_string_buffer(24)
    header = create_string_buffer(struct.pack("=Ii", _CAPABILITIES_V3, 0), 8)
    syscall("capget", header, have)
    permitted = struct.unpack("=6I", have.raw)[1]
    # A root's packages may lie in another user's home.
    kept = permitted & _DAC_READ_SEARCH if found.landlock else 0
    data = struct.pack("=6I", kept, kept, 0, 0, 0, 0)
    syscall("capset", header, create_string_buffer(data, len(data)))


def _one_thread() -> None:
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise IsolationMissing(f"{threads} threads were running before they could be confined.")


def _grants(cell: Cell) -> list[Grant]:
    packages = (
        *(Path(prefix) for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix}),
        # Not the folder they lie in: in a checkout it may hold secrets.
        *(Path(package.__file__ or "").parent for package in (services, shared)),
    )
    reads = [Grant(path, landlock.READ) for path in (*packages, *map(Path, _SYSTEM), cell.files)]
    return [
        *reads,
        Grant(Path("/dev/null"), landlock.READ_FILE | landlock.WRITE_FILE),
        Grant(cell.scratch, landlock.SCRATCH),
        *(Grant(path, landlock.READ_FILE | landlock.EXECUTE) for path in _programs(cell)),
    ]


def _programs(cell: Cell) -> tuple[Path, ...]:
    found = [path for path in cell.programs if path.is_file()]
    return (*found, *map(Path, _LOADERS)) if found else ()


def _permissions(cell: Cell, found: Isolation) -> seccomp.Permissions:
    # Without Landlock nothing would keep it to the programs that are named.
    programs = found.landlock > 0 and bool(_programs(cell))
    return seccomp.Permissions(
        files=found.landlock > 0,
        programs=programs,
        signals=found.landlock >= landlock.SIGNALS_SINCE,
    )
