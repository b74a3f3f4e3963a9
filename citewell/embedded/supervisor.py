"""Keeps parts alive: starts them, starts them again when they end, stops them in order.

Why not the `supervisor` package: it closes every inherited descriptor (the gateway's listening
socket would be lost, and with it the requests that wait while the gateway restarts), its delay
between attempts grows without bound, and it would be one more process that must not die.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, Signals

from citewell.embedded.part_logs import PartLog
from citewell.embedded.parts import Part

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 15.0
# A part that lived this long was well; its next death starts a new count.
STEADY_S = 30.0
# Deaths in a row before a part ever answered: its state is doubted, its first start is given up.
DOUBTFUL_STARTS = 3
HOPELESS_STARTS = 4
READY_POLL_S = 0.05
ROTATE_EVERY_S = 10.0


class PartFailed(Exception):
    """A part of the stack does not start; the message names it and ends with its last words."""


class Supervisor:
    """The parts that run, in the order in which they were started."""

    def __init__(self, logs: Path, changed: Callable[[Mapping[str, int]], None]) -> None:
        """Take the folder for logs; `changed` is told the pids whenever a part is ready anew."""
        self._logs = logs
        self._changed = changed
        self._groups: list[list[_Keeper]] = []
        self._rotating: asyncio.Task[None] | None = None

    @property
    def pids(self) -> dict[str, int]:
        """The process of each part that has become ready, by the part's name."""
        return {keeper.part.name: keeper.pid for keeper in self._keepers() if keeper.pid}

    async def start(self, parts: Sequence[Part], *, timeout_s: float, grace_s: float) -> None:
        """Start parts at once and return when all answer; they are kept alive from then on.

        When the time comes to stop, each has `grace_s` to end by itself.

        Raises:
            PartFailed: one keeps dying or does not answer in time; stop the others with `stop`.
        """
        if self._rotating is None:
            self._rotating = asyncio.create_task(self._rotate())
        group = [
            _Keeper(part, PartLog(self._logs, part.name), self._tell, grace_s) for part in parts
        ]
        self._groups.append(group)
        for keeper in group:
            keeper.begin()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(keeper.first_time_ready() for keeper in group))
        except TimeoutError:
            late = [keeper.describe() for keeper in group if not keeper.pid]
            raise PartFailed(f"not ready after {timeout_s:.0f} s: " + "\n".join(late)) from None

    async def stop(self) -> None:
        """Stop the groups, last started first; a part that outstays its grace is killed."""
        if self._rotating:
            self._rotating.cancel()
        for group in reversed(self._groups):
            await asyncio.gather(*(keeper.stop() for keeper in group))
        self._groups.clear()

    def kill(self) -> None:
        """Kill every part at once; `stop` then returns soon."""
        for keeper in self._keepers():
            keeper.kill()

    def _keepers(self) -> list["_Keeper"]:
        return [keeper for group in self._groups for keeper in group]

    def _tell(self) -> None:
        self._changed(self.pids)

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_EVERY_S)
            for keeper in self._keepers():
                with suppress(OSError):
                    keeper.log.rotate()


class _Keeper:
    """One part and the task that keeps it alive."""

    def __init__(
        self, part: Part, log: PartLog, changed: Callable[[], None], grace_s: float
    ) -> None:
        self.part = part
        self.log = log
        self.pid = 0
        self._changed = changed
        self._grace_s = grace_s
        self._deaths = 0
        self._failed_starts = 0
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.part.name}")

    async def first_time_ready(self) -> None:
        while not self._ready.is_set():
            if self._failed_starts >= HOPELESS_STARTS:
                raise PartFailed(self.describe())
            await asyncio.sleep(READY_POLL_S)

    def describe(self) -> str:
        return f"{self.part.name}, see {self.log.path}: {self.log.tail()}"

    async def stop(self) -> None:
        self._stopping.set()
        self._send(self.part.stop_signal)
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=self._grace_s)
        self.kill()
        await self._task

    def kill(self) -> None:
        self._stopping.set()
        if self._process and self._process.returncode is None:
            _kill_group(self._process.pid)

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            answered = await self._run_once()
            if self._stopping.is_set():
                return
            self._deaths = 1 if time.monotonic() - began > STEADY_S else self._deaths + 1
            self._failed_starts = 0 if answered else self._failed_starts + 1
            if self._failed_starts == DOUBTFUL_STARTS:
                self._move_state_aside()
            await self._pause()

    async def _run_once(self) -> bool:
        """Run the part to its end; tell whether it ever answered."""
        try:
            await asyncio.to_thread(self.part.before_start)
            self.log.begin()
            process = self._process = await self._spawn()
        except OSError as error:
            self.log.note(f"cannot be started: {error}")
            return False
        if self._stopping.is_set():
            self._send(self.part.stop_signal)
        announcing = asyncio.create_task(self._announce(process))
        code = await process.wait()
        answered = announcing.done()
        announcing.cancel()
        _kill_group(process.pid)
        self.log.note(f"ended with {code}")
        return answered

    async def _spawn(self) -> asyncio.subprocess.Process:
        output = self.log.open()
        try:
            return await asyncio.create_subprocess_exec(
                *self.part.launch(),
                cwd=self.part.folder,
                env=dict(self.part.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self.part.pass_fds,
            )
        finally:
            os.close(output)

    async def _announce(self, process: asyncio.subprocess.Process) -> None:
        while True:
            if await self._answers():
                break
            await asyncio.sleep(READY_POLL_S)
        self.pid = process.pid
        self._ready.set()
        self._changed()

    async def _answers(self) -> bool:
        with suppress(Exception):
            return await self.part.ready()
        return False

    async def _pause(self) -> None:
        delay = min(FIRST_DELAY_S * 2 ** (self._deaths - 1), LONGEST_DELAY_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    def _move_state_aside(self) -> None:
        for folder in self.part.disposable:
            if folder.exists():
                aside = folder.with_name(f"{folder.name}.broken")
                shutil.rmtree(aside, ignore_errors=True)
                folder.rename(aside)
                self.log.note(f"keeps dying: moved {folder} to {aside}")

    def _send(self, signal: Signals) -> None:
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal)


def _kill_group(leader: int) -> None:
    """Kill what is left of a part: its children share its process group."""
    with suppress(ProcessLookupError):
        os.killpg(leader, SIGKILL)
