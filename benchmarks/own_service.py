"""A query service of a benchmark's own, in the surroundings of a stack that `citewell up` runs."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from citewell.embedded.parts import free_port

TICKS = os.sysconf("SC_CLK_TCK")


def surroundings_of(data: Path) -> dict[str, Any]:
    """Take over the stack's environment, secrets included, and return its `ready.json`."""
    ready: dict[str, Any] = json.loads((data / "ready.json").read_text())
    gateway = Path(f"/proc/{ready['pids']['gateway']}/environ").read_bytes().decode()
    for name, _, value in (line.partition("=") for line in gateway.split("\0") if line):
        os.environ[name] = value  # noqa: TID251 - settings are read after this
    return ready


@contextmanager
def query_service(**environment: str) -> Iterator[tuple[str, int]]:
    """Start a query service in these surroundings; yield its URL and process id."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "services.query_api.app:app", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--log-level", "warning", "--no-access-log"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # As a service is: by itself, where the kernel shares the processor out by session.
        start_new_session=True,
        env={**os.environ, **environment},  # noqa: TID251 - what the service reads
    )
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


async def answering(http: httpx.AsyncClient) -> None:
    """Wait until a service answers."""
    end = time.monotonic() + 60
    while True:
        try:
            (await http.get("/healthz")).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.2)
        else:
            return


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of one process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS


def memory_mib(pid: int) -> float:
    """Return what a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
