"""What a process remembers: values up to a number of bytes, and work that many wait for at once.

Nothing here outlives its process, and nothing depends on it: without it, all is asked again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client import Counter, Gauge

CACHE_LOOKUPS = Counter(
    "citewell_cache_lookups",
    "Lookups in a cache by what came of them; `joined`: the same was being fetched for another.",
    ("cache", "outcome"),
)
CACHE_BYTES = Gauge("citewell_cache_bytes", "What a cache holds, estimated.", ("cache",))
# What an entry takes beside its key and value: its place in two dictionaries.
ENTRY_BYTES = 300

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SizedCache(Generic[K, V]):
    """Values up to `max_bytes` in all; the least recently used ones go first."""

    def __init__(
        self,
        name: str,
        *,
        max_bytes: int,
        ttl_s: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin empty; `max_bytes` 0 keeps nothing, and nothing is returned after `ttl_s`.

        `name` is a label of the metrics; `clock` tells seconds.
        """
        self._name = name
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        self._bytes = 0

    def get(self, key: K) -> V | None:
        """Return what is kept under a key, and count whether there was something."""
        entry = self._entries.get(key)
        if entry is not None and entry[2] <= self._clock():
            self.drop(key)
            entry = None
        CACHE_LOOKUPS.labels(self._name, "miss" if entry is None else "hit").inc()
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value of so many bytes, its key included; one that is too large is not kept."""
        self.drop(key)
        size += ENTRY_BYTES
        if size > self._max_bytes:
            return
        self._entries[key] = (value, size, self._clock() + self._ttl_s)
        self._count(size)
        while self._bytes > self._max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: K) -> None:
        """Forget a key, if it is known."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._count(-entry[1])

    def clear(self) -> None:
        """Forget everything."""
        for key in list(self._entries):
            self.drop(key)

    def _count(self, size: int) -> None:
        self._bytes += size
        CACHE_BYTES.labels(self._name).inc(size)


@dataclass(slots=True)
class _Flight(Generic[V]):
    task: asyncio.Task[V]
    waiting: int = 0


class Flights(Generic[K, V]):
    """Does the same work once for all who ask for it at the same time."""

    def __init__(self, name: str, *, stops_unwaited: bool = False) -> None:
        """Begin with nothing under way; `name` is a label of the metrics.

        `stops_unwaited`: when the last one who waits has left, the work is cancelled.
        """
        self._name = name
        self._stops_unwaited = stops_unwaited
        self._under_way: dict[K, _Flight[V]] = {}

    async def share(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> tuple[V, bool]:
        """Return what the work under this key gives, and whether it was begun for this caller.

        What it raises, all who wait for it get. One who leaves takes it from nobody else.
        """
        flight = self._under_way.get(key)
        begun = flight is None
        if flight is None:
            flight = self._under_way[key] = _Flight(asyncio.create_task(work()))
            flight.task.add_done_callback(lambda done: self._ended(key, done))
        else:
            CACHE_LOOKUPS.labels(self._name, "joined").inc()
        flight.waiting += 1
        try:
            # Shielded: one client that leaves must not take the answer from those who wait too.
            return await asyncio.shield(flight.task), begun
        finally:
            self._leave(key, flight)

    def cancel(self) -> None:
        """Stop everything that is under way."""
        for flight in self._under_way.values():
            flight.task.cancel()

    def _leave(self, key: K, flight: _Flight[V]) -> None:
        flight.waiting -= 1
        if self._stops_unwaited and not flight.waiting and not flight.task.done():
            flight.task.cancel()
            # Whoever asks from now on must not join work that is being stopped.
            self._forget(key, flight.task)

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            # Looked at here: everyone may have left, and nobody else would.
            task.exception()

    def _forget(self, key: K, task: asyncio.Task[V]) -> None:
        flight = self._under_way.get(key)
        if flight is not None and flight.task is task:
            del self._under_way[key]
