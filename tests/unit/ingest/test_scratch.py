"""Scratch folders go with the process that made them, however it ended."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.ingest_worker.scratch import ScratchFolder

MAKE = """
import sys
from services.ingest_worker.scratch import ScratchFolder
folder = ScratchFolder()
(folder.path / "read").write_bytes(b"secret")
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another_process(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a scratch folder with a file in it."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", MAKE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(temporary), "PYTHONPATH": str(root)},
    ) as process:
        try:
            assert process.stdout
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_the_folder_of_a_killed_process_is_removed_by_the_next(temporary: Path) -> None:
    with another_process(temporary) as (process, path):
        process.kill()
        process.wait()
        assert (path / "read").exists()
        mine = ScratchFolder()
        assert list(temporary.iterdir()) == [mine.path]
        mine.remove()


def test_the_folder_of_a_living_process_is_left_alone(temporary: Path) -> None:
    with another_process(temporary) as (_, path):
        ScratchFolder().remove()
        assert (path / "read").read_bytes() == b"secret"


def test_it_is_removed_with_everything_in_it(temporary: Path) -> None:
    mine = ScratchFolder()
    assert mine.path.stat().st_mode & 0o777 == 0o700
    (mine.path / "file").write_text("x")
    mine.remove()
    assert list(temporary.iterdir()) == []


def test_what_is_not_ours_is_left_alone(temporary: Path) -> None:
    other = temporary / "citewell-other"
    other.mkdir()
    ScratchFolder().remove()
    assert other.is_dir()
