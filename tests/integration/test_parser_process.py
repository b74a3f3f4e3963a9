"""The parser process, for real: what it answers, what it dies of, and that it never stays."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fpdf import FPDF

from services.ingest_worker.parsing import process as process_module
from services.ingest_worker.parsing.base import Plan, Source
from services.ingest_worker.parsing.family import resident_bytes
from services.ingest_worker.parsing.frames import MemberPiece
from services.ingest_worker.parsing.packing import unpack_elements
from services.ingest_worker.parsing.process import CHILD, ROOT, ParserProcess
from services.ingest_worker.parsing.sandbox.confine import Cell
from shared.errors import (
    ArchiveUnsafe,
    FileCorrupt,
    FileEmpty,
    FileEncrypted,
    ParseOutOfMemory,
    ParserCrashed,
    ParseTimedOut,
)
from shared.settings import MIB, IngestSettings
from tests.support.waiting import until

TIMEOUT_S = 30.0
# A child that answers nothing, but has the real one's life.
STAND_IN = """
import sys, os, time, ctypes
request = sys.stdin.buffer.read(12)
{act}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    document = FPDF()
    document.set_font("helvetica", size=11)
    for page in range(5):
        document.add_page()
        document.cell(text=f"This is page {page + 1}.")
    document.output(str(tmp_path / "blob"))
    return Source(tmp_path / "blob", "a.pdf")


@pytest.fixture
async def parser(tmp_path: Path) -> AsyncIterator[ParserProcess]:
    parser = ParserProcess(IngestSettings(), tmp_path)
    yield parser
    await parser.aclose()


def alive(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}/cmdline").exists() and _state(pid) != "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def kernel_says(pid: int | None, name: str) -> str:
    """A file of /proc about a process."""
    return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """Put another module in the child's place."""
    (tmp_path / "stand_in.py").write_text(STAND_IN.format(act=textwrap.dedent(act)))
    monkeypatch.setattr(process_module, "CHILD", "stand_in")
    monkeypatch.setattr(process_module, "ROOT", f"{ROOT}:{tmp_path}")


async def plan(parser: ParserProcess, source: Source) -> Plan:
    return (await parser.read(source, most_pages=0, timeout_s=TIMEOUT_S)).plan


async def test_a_document_is_planned_and_read_in_windows(
    parser: ParserProcess, source: Source
) -> None:
    reading = await parser.read(source, most_pages=4, timeout_s=TIMEOUT_S)
    assert (reading.plan.media_type, reading.plan.pages) == ("application/pdf", 5)
    assert reading.part is None
    parsed = await parser.parse(source, pages=range(2, 4), timeout_s=TIMEOUT_S)
    assert [(one.page, one.text) for one in unpack_elements(parsed.elements)] == [
        (2, "This is page 2."),
        (3, "This is page 3."),
    ]
    whole = await parser.parse(source, timeout_s=TIMEOUT_S)
    assert whole.pages == len(unpack_elements(whole.elements)) == 5
    assert (await parser.read(source, most_pages=5, timeout_s=TIMEOUT_S)).part == whole


async def test_one_warm_child_serves_many_files(parser: ParserProcess, source: Source) -> None:
    await parser.start()
    pid = parser.pid
    for _ in range(3):
        await parser.parse(source, timeout_s=TIMEOUT_S)
    assert parser.pid == pid


async def test_calls_at_once_take_turns(parser: ParserProcess, source: Source) -> None:
    plans = await asyncio.gather(*(plan(parser, source) for _ in range(5)))
    assert {found.pages for found in plans} == {5}


async def test_typed_errors_come_home(parser: ParserProcess, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_bytes(b"")
    with pytest.raises(FileEmpty):
        await plan(parser, Source(path, "a.pdf"))
    path.write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(FileCorrupt, match="cannot be opened"):
        await parser.parse(Source(path, "a.pdf"), timeout_s=TIMEOUT_S)
    pid = parser.pid
    assert alive(pid)


async def test_the_password_reaches_the_reader(parser: ParserProcess, tmp_path: Path) -> None:
    document = FPDF()
    document.set_font("helvetica", size=11)
    document.add_page()
    document.cell(text="Secret.")
    document.set_encryption(owner_password="o", user_password="open")  # noqa: S106
    path = tmp_path / "locked"
    document.output(str(path))
    with pytest.raises(FileEncrypted):
        await plan(parser, Source(path, "a.pdf"))
    opened = Source(path, "a.pdf", password="open")  # noqa: S106
    assert (await plan(parser, opened)).pages == 1


async def test_a_dead_child_is_replaced(parser: ParserProcess, source: Source) -> None:
    await parser.start()
    assert parser.pid is not None
    os.kill(parser.pid, signal.SIGKILL)
    with pytest.raises(ParserCrashed, match="SIGKILL"):
        await plan(parser, source)
    assert (await plan(parser, source)).pages == 5


@pytest.mark.parametrize(
    ("act", "match"),
    [
        ("os.abort()", "SIGABRT"),
        ("os._exit(3)", "exit code 3"),
        ("sys.stdout.buffer.write(b'\\xff' * 8); sys.stdout.flush(); time.sleep(60)", "more than"),
        ("os.write(1, b'\\0\\0\\0\\2\\0\\0\\0\\0[]'); time.sleep(60)", "no answer"),
    ],
)
async def test_what_is_no_answer_is_a_crash(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, match: str
) -> None:
    stand_in(tmp_path, monkeypatch, act)
    parser = ParserProcess(IngestSettings(), tmp_path)
    with pytest.raises(ParserCrashed, match=match):
        await plan(parser, source)
    await parser.aclose()


async def test_over_time_the_child_is_killed(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "time.sleep(60)")
    parser = ParserProcess(IngestSettings(), tmp_path)
    await parser.start()
    pid, start = parser.pid, time.monotonic()
    with pytest.raises(ParseTimedOut):
        await parser.parse(source, timeout_s=0.5)
    assert time.monotonic() - start < 5
    assert not alive(pid)
    await parser.aclose()


async def test_a_child_that_grows_too_large_is_killed(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "held = b'x' * (400 << 20); time.sleep(60)")
    parser = ParserProcess(IngestSettings(parser_memory_bytes=256 * MIB), tmp_path)
    with pytest.raises(ParseOutOfMemory):
        await parser.parse(source, timeout_s=TIMEOUT_S)
    await parser.aclose()


async def test_a_large_child_that_dies_was_out_of_memory(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "held = b'x' * (200 << 20); time.sleep(0.5); os.abort()")
    parser = ParserProcess(IngestSettings(parser_memory_bytes=256 * MIB), tmp_path)
    with pytest.raises(ParseOutOfMemory):
        await parser.parse(source, timeout_s=TIMEOUT_S)
    await parser.aclose()


async def test_address_space_is_limited(tmp_path: Path) -> None:
    """A text of 300 MB does not fit where 256 MB and what is mapped are allowed."""
    path = tmp_path / "long"
    with path.open("wb") as file:
        for _ in range(300):
            file.write(b"word\n\n" * (MIB // 6))
    parser = ParserProcess(IngestSettings(parser_memory_bytes=256 * MIB), tmp_path)
    with pytest.raises(ParseOutOfMemory):
        await parser.parse(Source(path, "a.txt"), timeout_s=60)
    await parser.aclose()


async def test_cancelling_kills_the_child(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "time.sleep(60)")
    parser = ParserProcess(IngestSettings(), tmp_path)
    await parser.start()
    pid = parser.pid
    task = asyncio.create_task(parser.parse(source, timeout_s=TIMEOUT_S))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)
    await parser.aclose()


async def test_a_child_is_let_go_while_it_still_hands_out_members(
    parser: ParserProcess, tmp_path: Path
) -> None:
    """More waits in its pipe than is read ahead: once, nobody saw that it had ended."""
    path = tmp_path / "many"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}.bin", os.urandom(MIB // 4))

    async def refuse(_piece: MemberPiece, _data: bytes) -> None:
        await asyncio.sleep(1)
        raise ArchiveUnsafe

    async with asyncio.timeout(TIMEOUT_S):
        with pytest.raises(ArchiveUnsafe):
            await parser.unpack(Source(path, "a.zip"), refuse, timeout_s=TIMEOUT_S)


async def test_the_child_is_renewed_after_its_parts(source: Source, tmp_path: Path) -> None:
    parser = ParserProcess(IngestSettings(parser_recycle_parts=2), tmp_path)
    pids = []
    for _ in range(4):
        await parser.start()
        pids.append(parser.pid)
        await plan(parser, source)
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await parser.aclose()


async def test_a_grown_child_is_renewed(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grown.py").write_text(
        f"import sys\nheld = b'x' * (100 << 20)\nfrom {CHILD} import Cell, main\n"
        "main(Cell.model_validate_json(sys.argv[1]))\n"
    )
    monkeypatch.setattr(process_module, "CHILD", "grown")
    monkeypatch.setattr(process_module, "ROOT", f"{ROOT}:{tmp_path}")
    parser = ParserProcess(IngestSettings(parser_recycle_bytes=100 * MIB), tmp_path)
    await parser.start()
    pid = parser.pid
    assert (await plan(parser, source)).pages == 5
    assert not alive(pid)
    await parser.aclose()


async def test_closing_ends_the_child_even_one_that_does_not_listen(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ParserProcess(IngestSettings(), tmp_path)
    await plan(real, source)
    pid = real.pid
    await real.aclose()
    assert not alive(pid)
    monkeypatch.setattr(process_module, "GOODBYE_S", 0.2)
    stand_in(tmp_path, monkeypatch, "time.sleep(60)")
    deaf = ParserProcess(IngestSettings(), tmp_path)
    await deaf.start()
    pid = deaf.pid
    await deaf.aclose()
    assert not alive(pid)
    await deaf.aclose()


async def test_the_child_sees_an_empty_environment(parser: ParserProcess) -> None:
    await parser.start()
    names = {entry.partition("=")[0] for entry in kernel_says(parser.pid, "environ").split("\0")}
    python = {"LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR"}
    threads = {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"}
    assert names <= {"", *python, *threads}


async def test_the_child_imports_no_model_and_no_service(
    parser: ParserProcess, source: Source
) -> None:
    await plan(parser, source)
    assert parser.pid is not None
    maps = kernel_says(parser.pid, "maps")
    for heavy in ("onnxruntime", "tokenizers", "psycopg", "numpy", "spacy"):
        assert heavy not in maps
    assert resident_bytes(parser.pid) < 150 * MIB


async def test_the_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import asyncio, sys, time
        from pathlib import Path
        from services.ingest_worker.parsing.process import ParserProcess
        from shared.settings import IngestSettings
        async def main():
            parser = ParserProcess(IngestSettings(), Path(sys.argv[1]))
            await parser.start()
            print(parser.pid, flush=True)
            time.sleep(60)
        asyncio.run(main())
        """
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not alive(pid))


def test_a_child_whose_parent_is_gone_leaves_at_once(tmp_path: Path) -> None:
    cell = Cell(parent=1, memory_bytes=1 << 40, files=tmp_path, scratch=tmp_path, scratch_bytes=MIB)
    done = subprocess.run(
        [sys.executable, "-m", CHILD, cell.model_dump_json()], cwd=ROOT, check=False, timeout=30
    )
    assert done.returncode == 1


def test_a_process_that_is_gone_takes_no_memory() -> None:
    assert resident_bytes(2**22 - 1) == 0
