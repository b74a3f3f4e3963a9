"""Landlock (kernel 5.13 and later): which files a process can reach at all (landlock(7))."""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.ingest_worker.parsing.sandbox.kernel import syscall

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_FILE = 1 << 5
MAKE_REG = 1 << 8
TRUNCATE = 1 << 14
# What can be granted on a single file.
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
# A flat folder of plain files: whoever empties it meets no tree, no link and no device.
SCRATCH = WRITE_FILE | READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | TRUNCATE
READ = READ_FILE | READ_DIR

# Rights of the file system by the version they came with: REFER 2, TRUNCATE 3, IOCTL_DEV 5.
_FIRST_RIGHTS = (1 << 13) - 1
_LATER_RIGHTS = ((2, 1 << 13), (3, TRUNCATE), (5, 1 << 15))
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3
NETWORK_SINCE = 4
SIGNALS_SINCE = 6
_VERSION = 1
_PATH_BENEATH = 1


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done at a path and below it; everything else is refused."""

    path: Path
    rights: int


def version() -> int:
    """Return the kernel's Landlock version, 0 when it has none or does not let us ask."""
    try:
        return syscall("landlock_create_ruleset", None, 0, _VERSION)
    except OSError:
        return 0


def restrict(grants: Iterable[Grant]) -> None:
    """Restrict this thread, and all it starts, to what is granted; there is no way back.

    Needs no_new_privs. Paths that do not exist are left out.

    Raises:
        OSError: the kernel has no Landlock.
    """
    have = version()
    handled = _handled(have)
    content = _ruleset(have, handled)
    ruleset = syscall("landlock_create_ruleset", content, len(content), 0)
    for grant in grants:
        _add(ruleset, grant, handled)
    syscall("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


def _handled(have: int) -> int:
    later = (right for since, right in _LATER_RIGHTS if have >= since)
    return _FIRST_RIGHTS | sum(later)


def _ruleset(have: int, handled: int) -> ctypes.Array[ctypes.c_char]:
    fields = [handled]
    if have >= NETWORK_SINCE:
        fields.append(_BIND_AND_CONNECT_TCP)
    if have >= SIGNALS_SINCE:
        fields.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    return _buffer(struct.pack(f"={len(fields)}Q", *fields))


def _add(ruleset: int, grant: Grant, handled: int) -> None:
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
        descriptor = os.open(grant.path, os.O_PATH | os.O_CLOEXEC)
        try:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rights = grant.rights & handled & (~0 if folder else _FILE_RIGHTS)
            rule = _buffer(struct.pack("=Qi", rights, descriptor))
            syscall("landlock_add_rule", ruleset, _PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)


def _buffer(content: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(content, len(content))
