"""The stack in this process: what it refuses, and one whole life."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from typing_extensions import override

from citewell.embedded.data_folder import DataFolder
from citewell.embedded.stack import StackOptions, run

READY_S = 60.0
ELSEWHERE = {
    "CITEWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2",
    "CITEWELL_REDIS_URL": "redis://127.0.0.1:1",
    "CITEWELL_QDRANT_URL": "http://127.0.0.1:1",
}


@pytest.fixture
def servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of somebody else's, which do not answer."""
    for name, url in ELSEWHERE.items():
        monkeypatch.setenv(name, url)


def test_one_stack_for_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with DataFolder(tmp_path).locked():
        assert run(StackOptions(tmp_path, port=0)) == 1
    said = capsys.readouterr().err
    assert f"already runs on {tmp_path}" in said
    assert f"process {os.getpid()}" in said


def test_a_port_in_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ready.json").write_text("{}")  # of a stack that was killed
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(StackOptions(tmp_path, port=port)) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert not (tmp_path / "ready.json").exists()


@pytest.mark.usefixtures("servers_elsewhere")
def test_a_store_elsewhere_that_does_not_answer_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(StackOptions(tmp_path, port=0)) == 1
    assert "_URL (127.0.0.1:1): " in capsys.readouterr().err
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "ready.json").exists()


def test_a_database_that_cannot_be_migrated_is_told_of(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    postgres_url: str,
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    there = urlsplit(postgres_url)
    place = f"{there.hostname}:{there.port}"
    monkeypatch.setenv("CITEWELL_DATABASE_URL", f"postgresql://guest:guest@{place}/citewell")
    assert run(StackOptions(tmp_path, port=0)) == 1
    said = capsys.readouterr().err
    assert "migration failed, see" in said
    assert "migrate.log" in said
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "ready.json").exists()


class Visitor(threading.Thread):
    """Waits for `ready.json`, looks around, breaks something and asks for the end."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._file = folder / "ready.json"
        self.ready: dict[str, object] = {}
        self.pids: dict[str, int] = {}
        self.status = 0

    @override
    def run(self) -> None:
        try:
            self._visit()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def _visit(self) -> None:
        self._wait(self._file.exists)
        self.ready = json.loads(self._file.read_text())
        self.pids = self._read_pids()
        self.status = httpx.get(f"{self.ready['url']}/readyz", timeout=20).status_code
        os.kill(self.pids["beat"], signal.SIGKILL)
        self._wait(lambda: self._read_pids()["beat"] != self.pids["beat"])

    def _read_pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads(self._file.read_text())["pids"]
        return pids

    def _wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + READY_S
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_whole_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    visitor = Visitor(tmp_path)
    visitor.start()
    assert run(StackOptions(tmp_path, host="0.0.0.0", port=0)) == 0  # noqa: S104 - on purpose
    visitor.join()
    said = capsys.readouterr().out
    assert visitor.status == 200
    assert str(visitor.ready["url"]).startswith("http://127.0.0.1:")
    for name in ("url", "api_key", "flower_url", "log_dir"):
        assert str(visitor.ready[name]) in said
    assert "beat ended and was started again" in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in visitor.pids.values())
