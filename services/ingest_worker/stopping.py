"""Hears that the process is told to stop, before its server waits for the answers under way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_told_to_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first signal, then whoever handled it before.

    A server waits for open answers and only then ends the app: a stream that has no end of its own
    would hold it up. Outside the main thread, where no signal comes, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in SIGNALS}

    def heard(number: int, frame: FrameType | None) -> None:
        stop()
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    # A handler of the default, or of C, could not be called in its turn.
    ours = [one for one in SIGNALS if callable(before[one])]
    for one in ours:
        signal.signal(one, heard)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, before[one])
