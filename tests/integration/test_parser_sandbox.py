"""A parser process cannot get out of its cell, whatever runs in it: tried from the inside."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from services.ingest_worker.parsing import process as process_module
from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.process import ROOT, ParserProcess
from services.ingest_worker.parsing.sandbox.confine import Cell, Isolation, isolation_here
from shared.errors import ParseOutOfMemory, ParserUnavailable, ParseTimedOut
from shared.settings import MIB, IngestSettings
from tests.support.prisoner import attempts
from tests.support.waiting import until

NOWHERE = Path("/nowhere")
NAMES = tuple(
    attempts(
        Cell(parent=1, memory_bytes=1, files=NOWHERE, scratch=NOWHERE, scratch_bytes=1),
        NOWHERE,
        NOWHERE,
    )
)
# What only Landlock refuses.
READS = {name for name in NAMES if name.startswith(("read a", "read the p", "list"))} - {
    "read the parent's memory"
}
# A nobody cannot read a root's packages: nothing of the cell's.
NOT_FOR_NOBODY = "allowed: import late"
SLEEP = Path("/usr/bin/sleep")
# Seconds nobody else sleeps.
SLEPT = f"67.{os.getpid()}"
START = """
import sys
from pathlib import Path
from services.ingest_worker.parsing.programs import run_program
from services.ingest_worker.parsing.sandbox.confine import Cell, confine
from shared.errors import ParseTimedOut
confine(Cell.model_validate_json(sys.argv[1]))
"""

needs_landlock = pytest.mark.skipif(
    isolation_here().level != "full", reason="this kernel has no Landlock"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")


def cell_in(folder: Path, **changes: object) -> Cell:
    """A cell over `folder`/files with an input and a scratch folder in it."""
    scratch = folder / "files" / "scratch"
    scratch.mkdir(parents=True)
    (folder / "files" / "input").write_text("hello")
    return Cell(
        parent=os.getpid(),
        memory_bytes=3 << 30,
        files=folder / "files",
        scratch=scratch,
        scratch_bytes=MIB,
    ).model_copy(update=changes)


@cache
def tried(*how: str) -> dict[str, str]:
    """Have the prisoner try everything once; whoever asks again gets the same answers."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        cell = cell_in(folder)
        outside, secret = folder / "outside", folder / "secret"
        outside.mkdir()
        secret.write_text("secret")
        # Modes that would let everyone do everything: what refuses is the cell.
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.support.prisoner"),
                *(cell.model_dump_json(), str(secret), str(outside), *how),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert not list(outside.iterdir())
        assert not list(cell.scratch.iterdir())
        assert (cell.files / "input").read_text() == "hello"
        assert secret.read_text() == "secret"
    told: dict[str, str] = json.loads(done.stdout)
    return told


def holds(name: str, told: dict[str, str]) -> bool:
    return (told[name] == "done") == name.startswith("allowed")


@needs_landlock
@pytest.mark.parametrize("name", NAMES)
def test_a_parser_can_do_what_it_must_and_nothing_else(name: str) -> None:
    told = tried()
    assert told["held"] == "full"
    assert holds(name, told), told[name]


@needs_landlock
@needs_root
@pytest.mark.parametrize("name", sorted(set(NAMES) - {NOT_FOR_NOBODY}))
def test_so_it_is_for_an_ordinary_user(name: str) -> None:
    told = tried("as-nobody")
    assert told["held"] == "full"
    assert holds(name, told), told[name]


@pytest.mark.parametrize("name", sorted(set(NAMES) - READS))
def test_without_landlock_it_can_read_but_reach_and_change_nothing(name: str) -> None:
    told = tried("without-landlock")
    assert told["held"] == "seccomp"
    if name == "allowed: write in scratch":
        # Without Landlock there is no telling one folder from another.
        assert told[name].startswith("refused")
    elif name not in {"allowed: write nothing", "allowed: remove in scratch"}:
        assert holds(name, told), told[name]


def in_a_cell(cell: Cell, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that was confined before it."""
    return subprocess.run(
        [sys.executable, "-c", START + textwrap.dedent(code), cell.model_dump_json()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def running(command: str) -> list[int]:
    """The processes whose command line has `command` in it."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if command in _command(entry)]


def _command(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text() if entry.name.isdecimal() else ""
    except OSError:
        return ""


@needs_landlock
def test_a_named_program_runs_in_the_same_cell_and_no_other_does(tmp_path: Path) -> None:
    cell = cell_in(tmp_path, programs=(Path("/usr/bin/cat"),))
    (tmp_path / "secret").write_text("secret")
    done = in_a_cell(
        cell,
        f"""
        cat = Path("/usr/bin/cat")
        print(run_program(cat, ["-", {str(cell.files / "input")!r}], content=b"and ", timeout_s=9))
        for program, path in ((cat, {str(tmp_path / "secret")!r}), (Path("/usr/bin/head"), "-")):
            try:
                print(run_program(program, [path], timeout_s=9))
            except Exception as error:
                print(type(error).__name__)
        """,
    )
    assert done.stdout.splitlines() == ["b'and hello'", "FileCorrupt", "PermissionError"]


@needs_landlock
def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    done = in_a_cell(
        cell_in(tmp_path, programs=(SLEEP,)),
        """
        try:
            run_program(Path("/usr/bin/sleep"), ["30"], timeout_s=0.3)
        except ParseTimedOut as error:
            print(error.detail)
        """,
    )
    assert done.stdout == "sleep took longer than 0.3 s.\n"


@needs_landlock
async def test_a_program_dies_with_a_parser_that_is_killed(tmp_path: Path) -> None:
    cell, slept = cell_in(tmp_path, programs=(SLEEP,)), f"61.{os.getpid()}"
    script = f"{START}run_program(Path('/usr/bin/sleep'), [{slept!r}], timeout_s=60)"
    parser = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, cell.model_dump_json()), cwd=ROOT
    )
    await until(lambda: len(running(f"sleep\0{slept}")) == 1)
    parser.kill()
    await parser.wait()
    await until(lambda: not running(f"sleep\0{slept}"))


@needs_landlock
def test_orphans_of_a_program_come_back_and_none_leaves_the_session(tmp_path: Path) -> None:
    done = in_a_cell(
        cell_in(tmp_path, programs=(SLEEP,)),
        """
        import os
        told, tell = os.pipe()
        middle = os.fork()
        if middle == 0:
            if os.fork() == 0:
                try:
                    os.setsid()
                except PermissionError:
                    os.write(tell, b"kept")
                else:
                    os.write(tell, b"gone")
            os._exit(0)
        os.waitpid(middle, 0)
        os.wait()
        print("an orphan came back,", os.read(told, 4).decode())
        """,
    )
    assert done.stdout == "an orphan came back, kept\n"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "a.txt").write_text("hello")
    return Source(tmp_path / "a.txt", "a.txt")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put code in the child's place."""
    monkeypatch.setattr(process_module, "CHILD", "stand_in")
    monkeypatch.setattr(process_module, "ROOT", f"{ROOT}:{tmp_path}")

    def put(code: str) -> None:
        (tmp_path / "stand_in.py").write_text(textwrap.dedent(code))

    return put


@pytest.fixture
async def parser(tmp_path: Path, stand_in: Callable[[str], None]) -> AsyncIterator[ParserProcess]:
    parser = ParserProcess(IngestSettings(parser_memory_bytes=256 * MIB), tmp_path)
    yield parser
    await parser.aclose()


def starting_another(mib: int) -> str:
    """A child that starts another, which holds memory, and waits."""
    return f"""
        import subprocess, sys, time
        request = sys.stdin.buffer.read(12)
        held = "held = b'x' * ({mib} << 20); import time; time.sleep({SLEPT})"
        subprocess.Popen([sys.executable, "-c", held])
        time.sleep(60)
        """


async def test_what_a_parser_starts_counts_as_its_memory(
    stand_in: Callable[[str], None], parser: ParserProcess, source: Source
) -> None:
    stand_in(starting_another(400))
    with pytest.raises(ParseOutOfMemory):
        await parser.parse(source, timeout_s=30)
    await until(lambda: not running(f"time.sleep({SLEPT})"))


async def test_what_a_parser_starts_ends_with_it(
    stand_in: Callable[[str], None], parser: ParserProcess, source: Source
) -> None:
    stand_in(starting_another(1))
    asking = asyncio.create_task(parser.parse(source, timeout_s=3))
    await until(lambda: len(running(f"time.sleep({SLEPT})")) == 1)
    with pytest.raises(ParseTimedOut):
        await asking
    await until(lambda: not running(f"time.sleep({SLEPT})"))


async def test_too_much_laid_down_in_scratch_ends_a_parser(
    stand_in: Callable[[str], None],
    parser: ParserProcess,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(
        """
        import os, sys, time
        from pathlib import Path
        sys.stdin.buffer.read(12)
        (Path(os.environ["TMPDIR"]) / "x").write_bytes(b"x" * 5000)
        time.sleep(60)
        """
    )
    monkeypatch.setattr(process_module, "SCRATCH_BYTES", 4000)
    with pytest.raises(ParseOutOfMemory, match="room on disk"):
        await parser.parse(source, timeout_s=30)
    assert not list(source.path.parent.glob("parser-*"))


async def test_a_parser_that_cannot_be_isolated_does_not_start(
    stand_in: Callable[[str], None], parser: ParserProcess, source: Source
) -> None:
    stand_in(
        """
        import sys
        from services.ingest_worker.parsing.child import Cell, main
        from services.ingest_worker.parsing.sandbox import seccomp
        seccomp.available = lambda: False
        main(Cell.model_validate_json(sys.argv[1]))
        """
    )
    with pytest.raises(ParserUnavailable, match="CITEWELL_INGEST_PARSER_ISOLATION"):
        await parser.parse(source, timeout_s=30)
    allowed = ParserProcess(IngestSettings(parser_isolation="none"), source.path.parent)
    assert (await allowed.parse(source, timeout_s=30)).pages == 1
    await allowed.aclose()


@needs_landlock
def test_what_runs_before_it_is_confined_refuses(tmp_path: Path) -> None:
    early = "import threading, time\nthreading.Thread(target=time.sleep, args=(1,)).start()\n"
    done = subprocess.run(
        [sys.executable, "-c", early + START, cell_in(tmp_path).model_dump_json()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 threads were running before they could be confined" in done.stderr


def test_levels_are_named_and_compared() -> None:
    full, half, none = Isolation(4, True), Isolation(0, True), Isolation(4, False)
    assert [one.level for one in (full, half, none)] == ["full", "seccomp", "none"]
    assert full.reaches("seccomp")
    assert not half.reaches("full")
    assert [str(one) for one in (full, half, none)] == [
        "full (Landlock 4, seccomp)",
        "seccomp, without Landlock",
        "none",
    ]


def test_a_parse_worker_that_cannot_isolate_does_not_start(tmp_path: Path) -> None:
    script = """if True:
        from services.ingest_worker.parsing.sandbox import seccomp
        seccomp.available = lambda: False
        import sys
        from celery.__main__ import main
        app = "services.ingest_worker.celery_app"
        sys.argv = ["celery", "-A", app, "worker", "-Q", "parse", "--without-gossip", "-c", "1"]
        main()
        """
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            "CITEWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "CITEWELL_AUTH_SECRET": "x" * 32,
            "CITEWELL_BLOBS_URL": f"file://{tmp_path}",
            "CITEWELL_REDIS_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "CITEWELL_INGEST_PARSER_ISOLATION asks for seccomp" in done.stdout + done.stderr
