"""Runs the command line as a shell would, in this process: arguments in, exit code and text out."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from citewell.cli import main


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `citewell` with some arguments."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> Outcome:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["citewell", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Outcome(_code(ended.value.code), said.out, said.err)

    return run


def _code(code: Any) -> int:
    return code if isinstance(code, int) else 1


def ready_json(folder: Path, url: str, **more: Any) -> None:
    """Leave what a running stack says of itself in a data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"url": url, "api_key": "cw_test", "log_dir": "/logs"}
    content |= {"flower_url": "", "pids": {}, **more}
    (folder / "ready.json").write_text(json.dumps(content))
