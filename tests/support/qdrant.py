"""The embedded Qdrant server for tests, in a folder of the test's; or a real one, by its URL."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic_settings import BaseSettings

from citewell.embedded.parts import LOOPBACK, Part, free_port

READY_S = 30.0
STOP_S = 20.0
# A small collection, as `PUT /collections/{name}` takes it.
COLLECTION = {
    "vectors": {"dense": {"size": 2, "distance": "Cosine"}},
    "sparse_vectors": {"terms": {"modifier": "idf"}},
}


class QdrantTestSettings(BaseSettings):
    """Where a real Qdrant is, if the tests are to run against one as well."""

    citewell_test_qdrant_url: str = ""


@dataclass(frozen=True, slots=True)
class QdrantServer:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def start_qdrant(folder: Path) -> Iterator[str]:
    """Start an embedded server on a folder, which may hold points already, and yield its URL."""
    with run_qdrant(folder) as server:
        yield server.url


@contextmanager
def run_qdrant(
    folder: Path, *options: str, api_key: str = "", port: int = 0
) -> Iterator[QdrantServer]:
    """Start an embedded server with options of its command line; SIGTERM ends it.

    Also from within a running event loop, as tests do that stop and start it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, log = port or free_port(), folder / "qdrant.log"
    program = (sys.executable, "-P", "-m", "citewell.embedded.qdrant")
    command = (*program, "--data", str(folder / "data"), "--port", str(port), *options)
    part = Part(name="qdrant", command=command, folder=folder)
    environment = {**os.environ, "CITEWELL_QDRANT_API_KEY": api_key}  # noqa: TID251 - the child needs PATH and coverage's variables
    with log.open("ab") as output:
        process = subprocess.Popen(part.launch(), env=environment, stdout=output, stderr=output)
    server = QdrantServer(f"http://{LOOPBACK}:{port}", process, log)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(server: QdrantServer) -> None:
    end = time.monotonic() + READY_S
    with httpx.Client(base_url=server.url, timeout=5) as client:
        while not _is_ready(client):
            assert server.process.poll() is None, f"the server ended: {server.log.read_text()}"
            assert time.monotonic() < end, f"the server is not ready: {server.log.read_text()}"
            time.sleep(0.05)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False
