"""The command line's tests speak real HTTP, to a server of their own on the loopback address."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shell import Run, runner
from tests.support.wire import KEY, Wire, forget, serving_wire


@pytest.fixture(scope="session")
def server() -> Iterator[Wire]:
    """One server a run: starting it takes longer than most tests."""
    with serving_wire() as wire:
        yield wire


@pytest.fixture
def wire(socket_enabled: None, server: Wire) -> Wire:
    """A server that answers the wire contract from memory, and remembers no other test."""
    return forget(server)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The command line, in an empty home and working folder and with a terminal wide enough."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CITEWELL_URL", "CITEWELL_API_KEY", "CITEWELL_AUTH_SECRET"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return runner(monkeypatch, capsys)


@pytest.fixture
def served(run: Run, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line with a server named in its environment."""
    monkeypatch.setenv("CITEWELL_URL", wire.url)
    monkeypatch.setenv("CITEWELL_API_KEY", KEY)
    return run
