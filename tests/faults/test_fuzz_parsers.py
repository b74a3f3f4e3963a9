"""Spoilt files, thrown at a real parser process: each ends in time with a typed answer."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.packing import unpack_elements
from services.ingest_worker.parsing.process import ParserProcess
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileRejected
from shared.settings import MIB, IngestSettings
from tests.faults.kit.settings import FuzzSettings
from tests.faults.kit.spoilt import FAULTS, made_seeds, spoilt_files, wanted_seeds

SHORT_S = 12.0
# What reading one spoilt file may take, and how much later its answer may come.
FILE_S, LATE_S = 15.0, 4.0
# A scan's pages take seconds each, and many more beside other work: only an end says endless.
PATIENT_S = 90.0
# Those files are kept, so that they can be looked at; a bomb among the seeds may well take all.
KEPT = FAULTS | {"parse_out_of_memory"}
SETTINGS = IngestSettings(parser_memory_bytes=1024 * MIB)


@dataclass
class Throwing:
    """A parser process, its folder, and what became of the files."""

    folder: Path
    kept: Path
    ends: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def __post_init__(self) -> None:
        self.parser = ParserProcess(SETTINGS, self.folder)

    async def throw(self, source: Source, name: str) -> None:
        """Have one file read; everything but a typed end is an error of the test."""
        start = time.monotonic()
        end, told = await self._read(source, FILE_S)
        if end == "parse_timeout":
            end, told = await self._read(source, PATIENT_S)
        assert all(scrub(text) == text for text in told)
        self.ends[end] += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)
        if end in KEPT:
            self._keep(source, f"{end}-{name}")
        self._look_around(source)

    async def _read(self, source: Source, most_s: float) -> tuple[str, list[str]]:
        """Return how reading it ended, in time, and every text that came of it."""
        try:
            async with asyncio.timeout(most_s + LATE_S):
                reading = await self.parser.read(source, most_pages=20, timeout_s=most_s)
            if reading.part is None:
                return "read in part", []
            elements = unpack_elements(reading.part.elements)
        except FileRejected as error:
            return error.code, [error.detail]
        texts = [one.text for one in elements]
        return "read", [*texts, *(warning.detail for warning in reading.part.warnings)]

    def _keep(self, source: Source, name: str) -> None:
        self.kept.mkdir(exist_ok=True)
        (self.kept / name).write_bytes(source.path.read_bytes())
        print(f"  kept {self.kept / name}")

    def _look_around(self, source: Source) -> None:
        """No file but the source lies anywhere in the folder, and the child has no socket."""
        left = {path for path in self.folder.rglob("*") if path.is_file()}
        assert left == {source.path}
        assert not sockets_of(self.parser.pid)


def sockets_of(pid: int | None) -> list[str]:
    """The sockets a process holds."""
    found: list[str] = []
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.append(str(entry.readlink()))
    return [name for name in found if name.startswith("socket:")]


def is_alive(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


async def fuzz(seeds: list[Path], seed: int, most_s: float, tmp_path: Path) -> Throwing:
    """Throw spoilt files one by one; nothing is left running in the end."""
    folder = tmp_path / "files"
    folder.mkdir()
    throwing = Throwing(folder, tmp_path / "kept")
    pids: set[int | None] = set()
    try:
        for number, path, content in spoilt_files(seeds, seed, most_s):
            source = Source(folder / f"spoilt{path.suffix}", path.name)
            source.path.write_bytes(content)
            await throwing.throw(source, f"{seed}-{number}-{path.name}")
            pids.add(throwing.parser.pid)
            source.path.unlink()
    finally:
        await throwing.parser.aclose()
    print(f"  {throwing.ends.total()} files, slowest {throwing.slowest_s:.1f} s: {throwing.ends}")
    assert not any(map(is_alive, pids))
    assert not any(folder.iterdir())
    return throwing


async def test_spoilt_files_end_in_time_and_leave_nothing(
    tmp_path: Path, fuzzing: FuzzSettings
) -> None:
    seeds = made_seeds(tmp_path / "seeds", 25, fuzzing.seed)
    thrown = await fuzz(seeds, fuzzing.seed, SHORT_S, tmp_path)
    assert thrown.ends.total() > 50
    assert not FAULTS & set(thrown.ends)


@pytest.mark.drill
async def test_spoilt_files_for_minutes(tmp_path: Path, fuzzing: FuzzSettings) -> None:
    by_kind: dict[str, list[Path]] = {}
    for path in wanted_seeds(fuzzing, tmp_path / "seeds"):
        by_kind.setdefault(path.suffix.lower(), []).append(path)
    faults: Counter[str] = Counter()
    for number, (kind, seeds) in enumerate(by_kind.items()):
        print(f"{kind}: {len(seeds)} seeds")
        place = tmp_path / f"kind-{number}"
        place.mkdir()
        share_s = 60 * fuzzing.minutes / len(by_kind)
        ends = (await fuzz(seeds, fuzzing.seed, share_s, place)).ends
        faults.update({end: ends[end] for end in FAULTS & set(ends)})
    assert not faults
