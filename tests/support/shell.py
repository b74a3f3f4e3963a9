"""Runs the command line as a shell would, in this process: arguments in, exit code and text out."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
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
