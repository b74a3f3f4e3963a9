"""How a load is shown while it runs: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from citewell.cli.output import seconds
from citewell.loading.tally import Tally

LINE_EVERY_S = 15.0
# A large file may be silent for as long as one part of it may take; most are not.
STILL_AFTER_S = 20.0


class LoadProgress:
    """Shows a tally each time it is told; says so when nothing moves."""

    def __init__(
        self, tally: Tally, console: Console, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what is counted, and where to write."""
        self._console = console
        self._clock = clock
        self._bar = _bar(console)
        self._line = self._bar.add_task("", total=tally.total, **_figures(tally))
        self._seen = _moved(tally)
        self._moved_at = self._told_at = clock()
        self._said_still = False

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        self._bar.stop()

    def __call__(self, tally: Tally) -> None:
        """Show what the tally has come to."""
        self._bar.update(self._line, total=tally.total, completed=tally.done, **_figures(tally))
        now = self._clock()
        if (seen := _moved(tally)) != self._seen:
            self._seen, self._moved_at, self._said_still = seen, now, False
        self._tell_still(now)
        if not self._console.is_terminal and now - self._told_at >= LINE_EVERY_S:
            self._told_at = now
            self._console.print(
                f"{tally.done} of {tally.total} files, {tally.pages} pages, {tally.chunks} chunks"
            )

    def _tell_still(self, now: float) -> None:
        if now - self._moved_at < STILL_AFTER_S or self._said_still:
            return
        self._said_still = True
        self._console.print(
            f"Nothing has moved for {STILL_AFTER_S:.0f} s. What was sent is safe and goes on by"
            " itself; `citewell doctor` says if something is down."
        )


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} files"),
        TextColumn("{task.fields[pages]} pages"),
        TextColumn("{task.fields[chunks]} chunks"),
        TextColumn("{task.fields[rate]:.1f} files/s"),
        TextColumn("{task.fields[left]} left"),
        console=console,
    )


def _figures(tally: Tally) -> dict[str, Any]:
    return {
        "pages": tally.pages,
        "chunks": tally.chunks,
        "rate": tally.rate,
        "left": seconds(tally.eta_s),
    }


def _moved(tally: Tally) -> tuple[int, ...]:
    return tally.sent, tally.done, tally.pages, tally.chunks
