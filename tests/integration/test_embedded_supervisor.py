"""The supervisor over small real processes."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from citewell.embedded import supervisor as supervision
from citewell.embedded.leftovers import wait_for_end, with_environment
from citewell.embedded.part_logs import PartLog
from citewell.embedded.parts import Part, always_ready
from citewell.embedded.probes import log_says
from citewell.embedded.supervisor import PartFailed, Supervisor
from tests.support.waiting import until

PYTHON = ("-I", "-S", "-c")
SLEEP = "import time; time.sleep(60)"
UP = "print('up', flush=True); " + SLEEP


class Watched:
    """A supervisor and what it told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Mapping[str, int]] = []
        self.supervisor = Supervisor(folder, self.told.append)

    def part(
        self,
        name: str,
        program: str,
        ready: Callable[[], Awaitable[bool]] = always_ready,
        disposable: tuple[Path, ...] = (),
    ) -> Part:
        command = (sys.executable, *PYTHON, program)
        return Part(name, command, self.folder, ready=ready, disposable=disposable)

    async def start(self, parts: list[Part], timeout_s: float = 10, grace_s: float = 5) -> None:
        await self.supervisor.start(parts, timeout_s=timeout_s, grace_s=grace_s)

    def is_replaced(self, name: str, pid: int) -> bool:
        return self.supervisor.pids[name] != pid

    def says(self, name: str, word: str) -> Callable[[], Awaitable[bool]]:
        return log_says(PartLog(self.folder, name), re.compile(word.encode()))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    await watched.supervisor.stop()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_parts_start_together_and_are_told_when_all_answer(watched: Watched) -> None:
    answers = watched.folder / "answers"

    async def ready() -> bool:
        return answers.exists()

    parts = [watched.part("quick", SLEEP), watched.part("slow", SLEEP, ready=ready)]
    starting = asyncio.create_task(watched.start(parts))
    await until(lambda: "quick" in watched.supervisor.pids)
    assert not starting.done()
    assert "slow" not in watched.supervisor.pids
    answers.touch()
    await starting
    assert set(watched.told[-1]) == {"quick", "slow"}


async def test_a_part_that_is_killed_is_started_again_and_told(watched: Watched) -> None:
    await watched.start([watched.part("a", SLEEP), watched.part("b", SLEEP)])
    before = watched.supervisor.pids
    os.kill(before["a"], signal.SIGKILL)
    await until(lambda: watched.supervisor.pids["a"] != before["a"])
    assert watched.supervisor.pids["b"] == before["b"]
    assert watched.told[-1] == watched.supervisor.pids
    assert "ended with -9" in watched.log("a")


async def test_a_part_that_keeps_dying_is_tried_again_for_ever_with_growing_pauses(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(supervision, "LONGEST_DELAY_S", 0.05)
    bad = watched.folder / "bad"
    program = f"import os, sys; os.path.exists({str(bad)!r}) and sys.exit(3); {SLEEP}"
    await watched.start([watched.part("a", program)])
    first = watched.supervisor.pids["a"]
    bad.touch()
    os.kill(first, signal.SIGKILL)
    await until(lambda: watched.log("a").count("ended with 3") >= 6)
    bad.unlink()
    await until(lambda: watched.supervisor.pids["a"] != first)


async def test_state_that_kills_a_part_is_moved_aside(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_DELAY_S", 0.01)
    state = watched.folder / "state"
    state.mkdir()
    (state / "broken").touch()
    program = f"import os, sys; os.path.exists({str(state / 'broken')!r}) and sys.exit(1); {UP}"
    part = watched.part("a", program, disposable=(state,), ready=watched.says("a", "(?m)^up"))
    await watched.start([part])
    assert (watched.folder / "state.broken" / "broken").exists()
    assert "keeps dying: moved" in watched.log("a")


async def test_state_outlives_any_number_of_kills(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_DELAY_S", 0.01)
    state = watched.folder / "state"
    state.mkdir()
    await watched.start([watched.part("a", SLEEP, disposable=(state,))])
    for _ in range(5):
        killed = watched.supervisor.pids["a"]
        os.kill(killed, signal.SIGKILL)
        await until(partial(watched.is_replaced, "a", killed))
    assert state.exists()


async def test_a_part_that_cannot_start_is_told_of_with_its_last_words(watched: Watched) -> None:
    program = "import sys; sys.exit('no such table')"
    part = watched.part("a", program, ready=watched.says("a", "(?m)^up"))
    with pytest.raises(PartFailed, match=r"(?s)a, see .*a.log.*no such table"):
        await watched.start([part])


async def test_a_part_that_never_answers_is_told_of(watched: Watched) -> None:
    async def ready() -> bool:
        raise ConnectionRefusedError

    part = watched.part("mute", "print('I try', flush=True); " + SLEEP, ready=ready)
    with pytest.raises(PartFailed, match=r"(?s)not ready after 1 s: mute.*I try"):
        await watched.start([part], timeout_s=0.6)


async def test_a_part_whose_folder_is_gone_is_told_of(watched: Watched) -> None:
    part = Part("a", ("/bin/true",), watched.folder / "gone")
    with pytest.raises(PartFailed, match="cannot be started"):
        await watched.start([part])


async def test_parts_whose_logs_vanish_are_stopped_all_the_same(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "logs")
    watched.folder.mkdir()
    await watched.start([watched.part("one", UP), watched.part("two", UP)])
    pids = list(watched.supervisor.pids.values())
    shutil.rmtree(watched.folder)
    await asyncio.wait_for(watched.supervisor.stop(), 5)
    assert not any(map(is_alive, pids))


async def test_groups_stop_last_started_first(watched: Watched) -> None:
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), sys.exit(0)))\n"
        "print('set', flush=True)\n" + SLEEP
    )
    for name in ("store", "service"):
        part = watched.part(name, program, ready=watched.says(name, "set"))
        await watched.start([part])
    await watched.supervisor.stop()
    assert ended_at(watched.log("service")) < ended_at(watched.log("store"))


def ended_at(log: str) -> str:
    line = next(line for line in log.splitlines() if "ended with 0" in line)
    return line.split()[1]


async def test_a_deaf_part_is_killed_with_its_children_after_the_grace(watched: Watched) -> None:
    program = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "child and print('child', child, flush=True)\n" + SLEEP
    )
    await watched.start([watched.part("deaf", program)], grace_s=0.3)
    await until(lambda: "child" in watched.log("deaf"))
    child = int(watched.log("deaf").rpartition("child ")[2].split()[0])
    pid = watched.supervisor.pids["deaf"]
    began = time.monotonic()
    await watched.supervisor.stop()
    assert time.monotonic() - began < 2
    assert not is_alive(pid)
    await until(lambda: not is_alive(child))


async def test_the_children_of_a_killed_part_do_not_outlive_it(watched: Watched) -> None:
    program = "import os\nchild = os.fork()\nchild and print('child', child, flush=True)\n" + SLEEP
    await watched.start([watched.part("a", program)])
    await until(lambda: "child" in watched.log("a"))
    child = int(watched.log("a").rpartition("child ")[2].split()[0])
    os.kill(watched.supervisor.pids["a"], signal.SIGKILL)
    await until(lambda: not is_alive(child))


async def test_kill_ends_everything_at_once(watched: Watched) -> None:
    program = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
    await watched.start([watched.part("deaf", program)], grace_s=30)
    stopping = asyncio.create_task(watched.supervisor.stop())
    await asyncio.sleep(0.1)
    watched.supervisor.kill()
    await asyncio.wait_for(stopping, 2)


async def test_a_part_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from citewell.embedded.parts import Part\n"
        f"part = Part('a', (sys.executable, '-c', {SLEEP!r}), Path('/'))\n"
        "subprocess.Popen(part.launch(), env={'MARK': sys.argv[1]}, start_new_session=True)\n"
        "time.sleep(60)\n"
    )
    mark = str(tmp_path)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, mark)
    await until(lambda: with_environment("MARK", mark), within_s=20)
    await asyncio.sleep(0.3)
    parent.kill()
    await parent.wait()
    await until(lambda: not with_environment("MARK", mark))


async def test_a_part_whose_parent_is_already_gone_does_not_start(tmp_path: Path) -> None:
    part = Part("a", ("/bin/echo", "started"), tmp_path)
    command = part.launch()
    command[4 + 1] = "1"
    done = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_leftovers_are_seen_out_and_at_last_killed(tmp_path: Path) -> None:
    mark = {"MARK": str(tmp_path)}
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
    left = subprocess.Popen([sys.executable, *PYTHON, deaf], env=mark)
    wait_for_end(lambda: [left.pid] if left.poll() is None else [], 0.2)
    assert left.returncode == -signal.SIGKILL


def test_leftovers_that_cannot_be_killed_are_told_of() -> None:
    gone = 2**22 - 1
    with pytest.raises(TimeoutError, match="do not end"):
        wait_for_end(lambda: [gone], 0.1)
