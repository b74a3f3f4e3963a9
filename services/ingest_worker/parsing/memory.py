"""How much memory reading something took at its peak: bombs are told by it."""

import contextlib
import resource
from pathlib import Path


def forget_peak() -> None:
    """Begin anew: the peak is what is resident now (proc(5), clear_refs)."""
    # Where the kernel does not allow it, the peak of an earlier file hides a smaller one.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Return the most memory that was resident since the last `forget_peak`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
