"""How many streams of events may be open at once, and how many are."""

from collections.abc import Callable

from prometheus_client import Gauge

from shared.errors import Unavailable

OPEN_STREAMS = Gauge("citewell_event_open_streams", "Streams of events being sent now.")
# By then another may have ended; a stream lasts some minutes at most.
RETRY_AFTER_S = 5.0


class Streams:
    """The places for streams in this process."""

    def __init__(self, most: int) -> None:
        """Begin with all of them free."""
        self._free = most

    def take(self) -> Callable[[], None]:
        """Take a place; return what gives it back, once however often it is called.

        Raises:
            Unavailable: none is free.
        """
        if not self._free:
            detail = "Too many streams of events are open in this process."
            raise Unavailable(detail, retry_after_s=RETRY_AFTER_S)
        self._free -= 1
        OPEN_STREAMS.inc()
        held = [True]

        def give_back() -> None:
            if held:
                held.clear()
                self._free += 1
                OPEN_STREAMS.dec()

        return give_back
