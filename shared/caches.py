"""What a process remembers: values up to a number of bytes, and work that many wait for at once.

Nothing here outlives its process, and nothing depends on it: without it, all is asked again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
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


class Flights(Generic[K, V]):
    """Does the same work once for all who ask for it at the same time."""

    def __init__(self, name: str) -> None:
        """Begin with nothing under way; `name` is a label of the metrics."""
        self._name = name
        self._under_way: dict[K, asyncio.Task[V]] = {}

    async def share(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> tuple[V, bool]:
        """Return what the work under this key gives, and whether it was begun for this caller.

        What it raises, all who wait for it get. One who leaves stops nothing.
        """
        task = self._under_way.get(key)
        begun = task is None
        if task is None:
            task = self._under_way[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._ended(key, done))
        else:
            CACHE_LOOKUPS.labels(self._name, "joined").inc()
        # Shielded: one client that leaves must not take the answer from those who wait with it.
        return await asyncio.shield(task), begun

    def cancel(self) -> None:
        """Stop everything that is under way."""
        for task in self._under_way.values():
            task.cancel()

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            # Looked at here: everyone may have left, and nobody else would.
            task.exception()
