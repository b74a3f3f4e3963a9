"""Milliseconds by stage, for the `timings` of an answer and the metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Histogram

STAGE_SECONDS = Histogram(
    "citewell_query_stage_seconds",
    "Time of one stage of a search or an answer.",
    ("stage",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class Stopwatch:
    """Adds up the time of each stage; a stage may run several times."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside the `with` block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
            STAGE_SECONDS.labels(name).observe(seconds)

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started

    def milliseconds(self) -> dict[str, float]:
        """Return each stage's time and the total so far."""
        stages = {name: round(spent * 1000, 2) for name, spent in self._seconds.items()}
        return stages | {"total": round(self.elapsed_s * 1000, 2)}
