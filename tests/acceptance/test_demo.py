"""`citewell demo`: from an empty folder to cited answers and one abstention, and nothing left."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from citewell.demo import StackDidNotStart, running_stack
from citewell.samples import questions


@pytest.fixture(scope="module")
def told() -> Iterator[subprocess.CompletedProcess[str]]:
    """What the demonstration printed; its folder is kept until the tests have looked into it."""
    command = [sys.executable, "-m", "citewell", "demo", "--keep", "--json"]
    # Wide enough that no line is broken where a test looks.
    wide = {**os.environ, "COLUMNS": "300"}  # noqa: TID251
    told = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=wide
    )
    yield told
    for folder in re.findall(r"--data (\S+)`", told.stderr):
        shutil.rmtree(folder)


def test_it_ends_well(told: subprocess.CompletedProcess[str]) -> None:
    assert told.returncode == 0, told.stdout + told.stderr


def test_each_answer_names_its_file_and_page(told: subprocess.CompletedProcess[str]) -> None:
    parts = told.stderr.split("? ")
    for asked in questions():
        (part,) = [part for part in parts if part.startswith(asked.question)]
        if asked.source is None:
            assert "[Source:" not in part
        else:
            assert asked.source in part
            assert str(asked.fact) in " ".join(part.split())


def test_a_program_reads_the_answers(told: subprocess.CompletedProcess[str]) -> None:
    body = json.loads(told.stdout)
    assert body["failures"] == []
    assert [one["question"] for one in body["questions"]] == [one.question for one in questions()]
    assert all(one["right"] for one in body["questions"])


def test_everything_is_stopped(told: subprocess.CompletedProcess[str]) -> None:
    (folder,) = map(Path, re.findall(r"--data (\S+)`", told.stderr))
    assert not (folder / "ready.json").exists()
    assert _processes_of(folder) == []


def test_a_stack_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StackDidNotStart, match="citewell up"), running_stack(tmp_path):
        pass


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that work in a folder or were started with it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            working = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in command or working.startswith(str(folder)):
            found.append(command)
    return found
