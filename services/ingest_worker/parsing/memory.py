"""How much memory reading something took at its peak: bombs are told by it."""

import contextlib
import os
import resource
from collections.abc import Iterator
from functools import cache

from shared.errors import FileTooLarge

# Text of the fullest page there is takes a hundredth; a few hundred bytes may hold a gigabyte.
MAX_PAGE_BYTES = 256 * 1024 * 1024


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


@contextlib.contextmanager
def no_bomb(page: int) -> Iterator[None]:
    """Watch what reading a page (from 1) takes.

    Raises:
        FileTooLarge: the page is a bomb; pdfium gives up on it, and it would pass for empty.
    """
    before = peak_bytes()
    yield
    if peak_bytes() - before > MAX_PAGE_BYTES:
        raise FileTooLarge(f"Page {page} unpacks to more than is allowed.", page=page)


@cache
def _clear_refs() -> int:
    return os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
