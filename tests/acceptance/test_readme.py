"""The shell and Python blocks of README, quickstart and how-to pages run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from citewell.demo import running_stack
from citewell.embedded.data_folder import Ready

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs/quickstart.md", *sorted((ROOT / "docs/howto").glob("*"))]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of a page, in the page's order."""

    page: Path
    number: int
    language: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}#{self.number}"


BLOCKS = [
    Block(page, number, language, text)
    for page in PAGES
    for number, (language, text) in enumerate(BLOCK.findall(page.read_text()), 1)
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A stack of this module's own, which README's readers would have from `make up`."""
    with running_stack(tmp_path_factory.mktemp("stack")) as ready:
        yield ready


@pytest.fixture(scope="module")
def surroundings(stack: Ready) -> Mapping[str, str]:
    """The environment a reader has after `source .venv/bin/activate` and two exports."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # noqa: TID251
    there = {"CITEWELL_URL": stack.url, "CITEWELL_API_KEY": stack.api_key, "COLUMNS": "200"}
    return {**os.environ, **there, "PATH": path}  # noqa: TID251


def test_readme_has_shell_and_python_blocks() -> None:
    languages = {block.language for block in BLOCKS if block.page.name == "README.md"}
    assert languages == {"bash", "python"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_runs(block: Block, surroundings: Mapping[str, str]) -> None:
    command = _command(block)
    ended = subprocess.run(
        command, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=False
    )
    # `jobs list` and `doctor` are shown in a page about failures; nothing failed here.
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if "/v1/query" in block.text or "citewell ask" in block.text:
        assert "[Source: " in ended.stdout


def _command(block: Block) -> list[str]:
    if block.language == "python":
        return [sys.executable, "-W", "error", "-c", block.text]
    lines = block.text.strip().splitlines()
    if all(line.startswith("make ") for line in lines):
        # These run this very suite, or start a stack: that they are there must do.
        return ["make", "--dry-run", *(line.removeprefix("make ") for line in lines)]
    return ["bash", "-euo", "pipefail", "-c", block.text]
