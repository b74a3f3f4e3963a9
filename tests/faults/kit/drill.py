"""Strikes while files come in, waits for each recovery, and tells how long it took."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from citewell.client import File, UploadedFile
from tests.faults.kit import truth
from tests.faults.kit.faults import Fault, schedule
from tests.faults.kit.load import Loader
from tests.faults.kit.processes import Process
from tests.faults.kit.progress import Progress
from tests.support.stack import Stack
from tests.support.tables import table

BACK_WITHIN_S = 90.0
MOVES_WITHIN_S = 90.0
POLL_S = 0.05
# A slice is being uploaded, parsed or embedded when this much time has passed.
UPLOADED_S = 0.4


@dataclass(frozen=True, slots=True)
class Recovery:
    """One fault: how long until the part was back, until any job moved, and its own stage did.

    None: there was nothing left to move.
    """

    fault: Fault
    back_s: float
    any_s: float | None
    own_s: float | None


@dataclass(frozen=True, slots=True)
class Drilled:
    """All that a drill did."""

    recoveries: Sequence[Recovery]
    uploaded: Sequence[UploadedFile]
    processes: frozenset[Process]

    @property
    def paid_again(self) -> int:
        """How many faults may have cost a batch for each slot."""
        return sum(one.fault.paid for one in self.recoveries)

    def check_times(self, *, median_s: float, worst_s: float) -> None:
        """Hold the times from a part's return to the next progress against their limits."""
        for times in (self._times("any_s"), self._times("own_s")):
            assert times
            assert statistics.median(times) <= median_s, self.table()
            assert max(times) <= worst_s, self.table()

    def table(self) -> str:
        """Return a row for each fault, and the median and worst."""
        rows: list[tuple[str, ...]] = [
            (one.fault.name, _told(one.back_s), _told(one.any_s), _told(one.own_s))
            for one in sorted(self.recoveries, key=lambda one: one.fault.name)
        ]
        for name, take in (("median", statistics.median), ("worst", max)):
            sums = (self._times(field) for field in ("back_s", "any_s", "own_s"))
            rows.append((name, *(_told(take(times)) if times else "-" for times in sums)))
        return table("fault", "back after s", "next progress s", "of its own stage s", rows)

    def _times(self, field: str) -> list[float]:
        values = (getattr(one, field) for one in self.recoveries)
        return [value for value in values if value is not None]


def strike_while_loading(stack: Stack, files: Sequence[File], *, seed: int, rounds: int) -> Drilled:
    """Upload the files slice by slice, and strike at a random moment of each."""
    chance, faults = random.Random(seed), schedule(seed, rounds)
    size = -(-len(files) // (len(faults) + 1))
    slices = [files[first : first + size] for first in range(0, len(files), size)]
    recoveries = []
    with Progress(stack) as progress:
        with Loader(stack) as loader:
            for fault, some in zip_longest(faults, slices):
                loader.give(some or [])
                time.sleep(chance.uniform(0, UPLOADED_S))
                if fault is not None:
                    recoveries.append(_strike(stack, fault, chance, (progress, loader)))
        # Asked anew: the newest look may be older than the last slice.
        truth.wait_until_ended(stack, within_s=MOVES_WITHIN_S)
    return Drilled(recoveries, loader.uploaded, frozenset(progress.seen))


def strike(stack: Stack, fault: Fault, chance: random.Random) -> None:
    """Strike, and wait until the parts that were struck have new processes."""
    before = {part: stack.ready["pids"][part] for part in fault.parts}
    fault.strike(stack, chance)
    _until(
        lambda: all(stack.ready["pids"].get(p) != pid for p, pid in before.items()), BACK_WITHIN_S
    )


def _strike(
    stack: Stack, fault: Fault, chance: random.Random, work: tuple[Progress, Loader]
) -> Recovery:
    progress, loader = work
    struck = time.monotonic()
    strike(stack, fault, chance)
    back = time.monotonic()

    def moved() -> bool:
        own = progress.since(back, fault.stage) is not None
        return own or (loader.idle and _nothing_left(progress, fault))

    _until(moved, MOVES_WITHIN_S)
    any_s = progress.since(back, "parsed", "embedded", "ended")
    return Recovery(fault, back - struck, any_s, progress.since(back, fault.stage))


def _nothing_left(progress: Progress, fault: Fault) -> bool:
    now = progress.now
    if now is None:
        return False
    return now.open == 0 or (fault.stage == "parsed" and now.to_parse == 0)


def _until(condition: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {within_s:.0f} s"
        time.sleep(POLL_S)


def _told(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"
