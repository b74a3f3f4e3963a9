"""What is shown of a load where there is no terminal, and when nothing moves."""

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from citewell.cli.progress import LINE_EVERY_S, STILL_AFTER_S, LoadProgress
from citewell.loading.tally import Tally


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def tally(clock: Clock) -> Tally:
    return Tally(found=10, clock=clock)


@pytest.fixture
def progress(tally: Tally, clock: Clock, written: io.StringIO) -> LoadProgress:
    return LoadProgress(tally, Console(file=written, width=200), clock=clock)


def test_a_line_is_written_now_and_then(
    progress: LoadProgress, tally: Tally, clock: Clock, written: io.StringIO
) -> None:
    for step in range(5):
        clock.now = step * LINE_EVERY_S / 2
        tally.sent = step
        progress(tally)
    assert written.getvalue() == "0 of 10 files, 0 pages, 0 chunks\n" * 2


def test_that_nothing_moves_is_said_once_until_it_moves(
    progress: LoadProgress, tally: Tally, clock: Clock, written: io.StringIO
) -> None:
    for _ in range(100):
        clock.now += STILL_AFTER_S / 10
        progress(tally)
    assert written.getvalue().count("Nothing has moved for 20 s.") == 1
    tally.sent = 1
    for _ in range(100):
        progress(tally)
        clock.now += STILL_AFTER_S / 10
    assert written.getvalue().count("citewell doctor") == 2


def test_the_bar_is_drawn_on_a_terminal(tally: Tally, clock: Clock, written: io.StringIO) -> None:
    console = Console(file=written, width=200, force_terminal=True)
    with LoadProgress(tally, console, clock=clock) as progress:
        clock.now = 2 * LINE_EVERY_S
        tally.sent = 1
        progress(tally)
    assert "0/10 files" in written.getvalue()
    assert "0 of 10 files" not in written.getvalue()
