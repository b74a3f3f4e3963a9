"""The kernel's doors, by ctypes: Python has no other way to Landlock and seccomp."""

import ctypes
import os
import sys

from services.ingest_worker.parsing.sandbox.numbers import number_of

_LIBC = ctypes.CDLL(None, use_errno=True)


def syscall(name: str, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call; buffers go by their address.

    Raises:
        OSError: the kernel refuses, or has no such call.
    """
    number = number_of(name) if sys.platform == "linux" else None
    if number is None:
        raise OSError(f"There is no {name} on this machine.")
    return _checked(_LIBC.syscall(ctypes.c_long(number), *map(_word, arguments)))


def prctl(option: int, *arguments: int) -> int:
    """Change or ask something of this process (prctl(2)).

    Raises:
        OSError: the kernel refuses.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_LIBC.prctl(ctypes.c_int(option), *map(ctypes.c_ulong, padded)))


def _word(value: int | ctypes.Array[ctypes.c_char] | None) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
