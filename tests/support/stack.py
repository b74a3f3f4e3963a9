"""The whole stack as a test's own: `citewell up` in a process, on free ports, in a new folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from citewell.embedded.data_folder import DataFolder
from citewell.embedded.postgres import postgres_url
from tests.support.postgres import PATIENT_S

READY_S = 120.0
# The line of postmaster.pid with the port, counted from 0 (PostgreSQL, miscadmin.h).
POSTMASTER_PORT = 3
STOP_S = 15.0
# What the services wait for, on a machine that several test runs share.
PATIENT = dict.fromkeys(
    (
        "CITEWELL_DATABASE_POOL_TIMEOUT_S",
        "CITEWELL_QUERY_EMBED_TIMEOUT_S",
        "CITEWELL_QUERY_STORE_TIMEOUT_S",
    ),
    str(PATIENT_S),
)
CITEWELL = Path(sys.executable).with_name("citewell")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def ready(self) -> dict[str, Any]:
        """What `ready.json` says now."""
        found: dict[str, Any] = json.loads((self.folder / "ready.json").read_text())
        return found

    @property
    def database_url(self) -> str:
        """The database's URL, by the port its own lock file names."""
        postgres = self.folder / "postgres"
        port = int((postgres / "postmaster.pid").read_text().splitlines()[POSTMASTER_PORT])
        secrets = DataFolder(self.folder).read_secrets()
        return postgres_url(port, secrets.postgres)

    def environment(self, part: str = "gateway") -> dict[str, str]:
        """What a part was started with, secrets included."""
        said = Path(f"/proc/{self.ready['pids'][part]}/environ").read_bytes().decode()
        return dict(line.split("=", 1) for line in said.split("\0") if "=" in line)

    def key_of(self, tenant: str) -> str:
        """Make a key for another tenant, as an operator does."""
        done = subprocess.run(
            [str(CITEWELL), "keys", "create", "--tenant", tenant, "--scope", "admin"],
            env=self.environment(),
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode().strip()

    def kill(self, part: str) -> None:
        """End one part's main process with SIGKILL; one that is just down stays so."""
        pid = self.ready["pids"].get(part)
        if pid is not None:
            _kill(pid)


@contextmanager
def start_stack(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start the stack, yield it when it is ready, stop it and see that it has stopped."""
    log = folder / "up.log"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**PATIENT, **os.environ, **(settings or {})}  # noqa: TID251 - the child needs PATH and coverage's variables
    command = [str(CITEWELL), "up", "--data", str(folder / "data"), "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    stack = Stack(folder / "data", process)
    try:
        _wait_until_ready(stack, log)
        yield stack
    finally:
        _stop(process)


def _wait_until_ready(stack: Stack, log: Path) -> None:
    end = time.monotonic() + READY_S
    while not (stack.folder / "ready.json").exists():
        ended = stack.process.poll()
        assert ended is None, f"`citewell up` ended with {ended}: {log.read_text()}"
        assert time.monotonic() < end, f"`citewell up` is not ready: {log.read_text()}"
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
