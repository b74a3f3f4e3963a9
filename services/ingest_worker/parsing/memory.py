"""How much memory reading something took at its peak: bombs are told by it."""

import contextlib
import os
import resource
from functools import cache


def forget_peak() -> None:
    """Begin anew: the peak is what is resident now (proc(5), clear_refs).

    The first call opens the file for good: a parser process cannot open it once it is confined.
    """
    # Where the kernel does not allow it, the peak of an earlier file hides a smaller one.
    with contextlib.suppress(OSError):
        os.write(_clear_refs(), b"5")


def peak_bytes() -> int:
    """Return the most memory that was resident since the last `forget_peak`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@cache
def _clear_refs() -> int:
    return os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
