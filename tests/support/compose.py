"""A deployment of `docker-compose.yml` as it is, under a name and on ports of the drill's own."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from citewell.embedded.parts import free_port

ROOT = Path(__file__).parents[2]
QDRANT = "qdrant/qdrant:v1.17.1-unprivileged"
STAND_IN = "tests/faults/compose/qdrant.Dockerfile"
# Every service that stays; the others run once.
SERVICES = (
    "gateway",
    "ingest",
    "query",
    "parse",
    "embed",
    "beat",
    "flower",
    "postgres",
    "redis",
    "qdrant",
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """What `docker compose` is told, and where what it starts is reached."""

    project: str
    environment: Mapping[str, str]
    url: str
    flower_url: str

    def compose(self, *words: str) -> str:
        """Run `docker compose` and return what it printed."""
        return run("docker", "compose", "-p", self.project, *words, environment=self.environment)

    def logs(self, service: str) -> list[str]:
        """Return the lines a service's containers wrote, to whichever stream."""
        words = ("logs", "--no-log-prefix", "--no-color", service)
        done = subprocess.run(
            ("docker", "compose", "-p", self.project, *words),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            # What they wrote to standard error is told there.
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    def secret(self, name: str) -> str:
        """Read a secret where the services do."""
        return self.compose("exec", "-T", "ingest", "cat", f"/run/secrets/{name}")

    def main_process(self, service: str) -> int:
        """Return the process id, on this machine, of a service's main process; 0 if it is down."""
        container = self.compose("ps", "-q", "--all", service).split()[0]
        return int(run("docker", "inspect", "-f", "{{.State.Pid}}", container))

    def kill(self, service: str) -> int:
        """Kill a service's main process from outside: `docker kill` counts as a manual stop."""
        pid = self.main_process(service)
        os.kill(pid, signal.SIGKILL)
        return pid

    def health(self) -> dict[str, str]:
        """Return each running service's health."""
        lines = self.compose("ps", "--format", "json").splitlines()
        return {told["Service"]: told["Health"] for told in map(json.loads, lines)}

    def wait_restarted(self, service: str, killed: int, within_s: float = 120) -> float:
        """Wait until a killed service runs anew and all are healthy; return how long that took."""
        began = time.monotonic()
        while self.main_process(service) in {0, killed} or self.health() != dict.fromkeys(
            SERVICES, "healthy"
        ):
            assert time.monotonic() - began < within_s, self.health()
            time.sleep(0.2)
        return time.monotonic() - began


@contextmanager
def deployed() -> Iterator[Deployment]:
    """Start it, and remove it with its volumes in the end."""
    _provide_qdrant()
    port, flower = free_port(), free_port()
    environment = {
        **os.environ,  # noqa: TID251 - docker needs its own
        "CITEWELL_PORT": str(port),
        "CITEWELL_FLOWER_PORT": str(flower),
        "COMPOSE_PROGRESS": "quiet",
    }
    deployment = Deployment(
        project=f"citewell-drill-{uuid4().hex[:8]}",
        environment=environment,
        url=f"http://127.0.0.1:{port}",
        flower_url=f"http://127.0.0.1:{flower}",
    )
    try:
        yield deployment
    finally:
        deployment.compose("down", "--volumes", "--timeout", "5")


def run(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in the checkout; what it said stands in the error if it fails."""
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def _provide_qdrant() -> None:
    """Take Qdrant's image from its registry, or build the stand-in where that is out of reach."""
    for words in (["image", "inspect"], ["pull", "-q"]):
        done = subprocess.run(
            ["docker", *words, QDRANT], capture_output=True, check=False, timeout=300
        )
        if done.returncode == 0:
            return
    run("docker", "build", "-q", "-t", QDRANT, "-f", STAND_IN, ".")
