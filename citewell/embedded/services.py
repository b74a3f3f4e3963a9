"""The services as parts of the embedded stack: gateway, workers, beat and Flower."""

import re
import socket
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL

from citewell.embedded.data_folder import DataFolder, Secrets
from citewell.embedded.part_logs import PartLog
from citewell.embedded.parts import LOOPBACK, Part
from citewell.embedded.probes import address_of, http_answers, log_says

CELERY_APP = "services.ingest_worker.celery_app"
FLOWER_USER = "citewell"
# A bulk load stands back for searches, answers and the databases.
BULK_NICENESS = 10

_PYTHON = (sys.executable, "-P", "-m")
_CELERY = (*_PYTHON, "celery", "-A", CELERY_APP)
# Neighbours' gossip serves nothing here and costs a worker a second at its start.
_WORKER = ("worker", "--loglevel=INFO", "--task-events", "--without-gossip", "--without-mingle")
_WORKER_READY = re.compile(rb"\w+@\S+ ready\.")
_BEAT_READY = re.compile(rb"beat: Starting")
# Each process computes on its own; libraries with a thread pool apiece would only get in each
# other's way. The local embedding model has a setting of its own.
_QUIET_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def service_environment(
    inherited: Mapping[str, str],
    folder: DataFolder,
    secrets: Secrets,
    servers: Mapping[str, str],
    parse_processes: int,
) -> dict[str, str]:
    """Return the services' environment; what was set by hand wins, except over `servers`."""
    defaults = {
        **_QUIET_THREADS,
        "CITEWELL_AUTH_SECRET": secrets.auth_secret,
        "CITEWELL_BOOTSTRAP_KEY": secrets.api_key,
        "CITEWELL_BLOBS_URL": folder.sub("blobs").as_uri(),
        "CITEWELL_INGEST_COMPARE_AT_START": "true",
        "CITEWELL_INGEST_SLOTS": str(parse_processes),
        # Told to stop, a worker gives back what it is doing instead of finishing it.
        "REMAP_SIGTERM": "SIGQUIT",
        # Celery's warning about root is meant for pickled messages; ours are JSON.
        "C_FORCE_ROOT": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **inherited, **servers}


def gateway_part(folder: DataFolder, environment: Mapping[str, str], door: socket.socket) -> Part:
    """Return the gateway, which serves on a listening socket that it is handed."""
    return Part(
        name="gateway",
        command=(*_PYTHON, "citewell.embedded.gateway", "--fd", str(door.fileno())),
        folder=folder.path,
        environment=environment,
        ready=http_answers(address_of(door), "/readyz"),
        pass_fds=(door.fileno(),),
    )


def worker_parts(
    folder: DataFolder, environment: Mapping[str, str], parse_processes: int
) -> list[Part]:
    """Return the workers that parse and those that embed."""
    parse = ("-Q", "parse", "--pool", "prefork", "-c", str(parse_processes))
    embed = ("-Q", "embed,clock", "--pool", "prefork", "-c", "1")
    return [
        _worker("parse", parse, folder, environment),
        _worker("embed", embed, folder, environment),
    ]


def flower_part(
    folder: DataFolder, environment: Mapping[str, str], *, port: int, password: str
) -> Part:
    """Return Flower, behind a password, with a capped history that outlives it.

    It is not given our Celery app, only the broker: it asks the workers for the rest, starts a
    second sooner and is half the size (76 MB, not 163).
    """
    state = folder.sub("flower")
    credentials = f"{FLOWER_USER}:{password}"
    token = b64encode(credentials.encode()).decode()
    options = {
        "CELERY_BROKER_URL": environment["CITEWELL_REDIS_URL"],
        "FLOWER_ADDRESS": LOOPBACK,
        "FLOWER_PORT": str(port),
        "FLOWER_BASIC_AUTH": credentials,
        "FLOWER_PERSISTENT": "true",
        "FLOWER_DB": str(state / "state"),
        "FLOWER_STATE_SAVE_INTERVAL": "60000",
        "FLOWER_MAX_TASKS": "10000",
        "FLOWER_PURGE_OFFLINE_WORKERS": "600",
    }
    return Part(
        name="flower",
        command=(*_PYTHON, "celery", "flower"),
        folder=folder.path,
        environment={**environment, **options},
        ready=http_answers((LOOPBACK, port), "/healthcheck", f"Authorization: Basic {token}\r\n"),
        before_start=lambda: state.mkdir(mode=0o700, exist_ok=True),
        disposable=(state,),
    )


def flower_url(port: int, password: str) -> str:
    """Return Flower's address with the credentials in it."""
    return f"http://{FLOWER_USER}:{password}@{LOOPBACK}:{port}/"


def _worker(
    name: str, flags: tuple[str, ...], folder: DataFolder, environment: Mapping[str, str]
) -> Part:
    log = PartLog(folder.sub("logs"), name)
    return Part(
        name=name,
        command=(*_CELERY, *_WORKER, *flags, "-n", f"{name}@%h"),
        folder=folder.path,
        environment=environment,
        ready=log_says(log, _WORKER_READY),
        # A worker that shuts down without its broker may hang; what it held comes back by lease.
        orphan_signal=SIGKILL,
        niceness=BULK_NICENESS,
    )


def beat_part(folder: DataFolder, environment: Mapping[str, str]) -> Part:
    """Return the clock."""
    state: Path = folder.sub("beat")
    log = PartLog(folder.sub("logs"), "beat")
    return Part(
        name="beat",
        command=(*_CELERY, "beat", "--loglevel=INFO", "--schedule", str(state / "schedule")),
        folder=folder.path,
        environment=environment,
        ready=log_says(log, _BEAT_READY),
        before_start=lambda: state.mkdir(mode=0o700, exist_ok=True),
        disposable=(state,),
    )
