"""The clock: Celery's beat, which shows that it ticks."""

from pathlib import Path
from typing import Any

from celery.beat import PersistentScheduler
from typing_extensions import override

from services.ingest_worker.lifeline import touch
from shared.settings import read_settings


class Clock(PersistentScheduler):
    """Sends what is due, and touches the file that a health check looks at."""

    _alive_file: Path | None = None

    @override
    def setup_schedule(self) -> None:
        """Read the schedule, and where the file is."""
        self._alive_file = read_settings().ingest.alive_file
        super().setup_schedule()

    @override
    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return the seconds until the next look."""
        touch(self._alive_file)
        return float(super().tick(*args, **kwargs))
