"""The data folder: its lock, its secrets, its `ready.json`; all for the owner's eyes alone."""

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from shared.errors import ConfigurationInvalid, Conflict


class AlreadyRunning(Conflict):
    """Another `citewell up` runs on this data folder."""


@dataclass(frozen=True)
class Secrets:
    """What the stack makes once for a data folder: every part's password, and the first key."""

    api_key: str
    auth_secret: str
    flower: str
    postgres: str
    postgres_superuser: str
    qdrant: str
    valkey: str

    @classmethod
    def new(cls) -> Self:
        """Make fresh ones: 256 bits each, in characters plain to URLs, SQL and shells."""
        made = {item.name: secrets.token_urlsafe(32) for item in fields(cls)}
        return cls(**{**made, "api_key": f"cw_{made['api_key']}"})


@dataclass(frozen=True)
class Ready:
    """What `ready.json` tells: where everything is, once everything answers."""

    url: str
    api_key: str
    flower_url: str
    log_dir: str
    pids: dict[str, int]


class DataFolder:
    """The folder everything of one embedded stack is in."""

    def __init__(self, path: Path) -> None:
        """Make the folder if it is not there.

        Raises:
            ConfigurationInvalid: it cannot be made.
        """
        self.path = path.expanduser().resolve()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationInvalid(f"the data folder cannot be used: {error}") from error

    @property
    def identity(self) -> str:
        """A name of this folder for processes, which stays when it is moved."""
        facts = self.path.stat()
        return f"{facts.st_dev}:{facts.st_ino}"

    def sub(self, name: str) -> Path:
        """Return the folder of a part, made for the owner alone."""
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other stacks out of this folder; the kernel lets go even after kill -9.

        Raises:
            AlreadyRunning: another stack has it.
            ConfigurationInvalid: it belongs to someone else.
        """
        path = self.path / "lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationInvalid(f"the data folder cannot be used: {error}") from error
        try:
            _lock(lock, self.path)
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(lock)

    def read_secrets(self) -> Secrets:
        """Return the folder's secrets, made at the first call.

        Raises:
            ConfigurationInvalid: they are gone although there are data that need them.
        """
        path = self.path / "secrets.json"
        if path.exists():
            return Secrets(**json.loads(path.read_text()))
        if (self.path / "postgres" / "PG_VERSION").exists():
            raise ConfigurationInvalid(
                f"{path} is gone, and with it the database's password: put it back from a back-up"
            )
        fresh = Secrets.new()
        _write_private(path, asdict(fresh))
        return fresh

    @asynccontextmanager
    async def ready_ends_with_us(self, environment: Mapping[str, str]) -> AsyncIterator[None]:
        """Have `ready.json` removed at the end of the block, also by kill -9 of this process.

        A shell waits for that end on a pipe; who starts the stack anew and waits for the file
        must not find that of the killed one.
        """
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", 'read -r _; rm -f -- "$0"', str(self._ready)),
            stdin=asyncio.subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            yield
        finally:
            await process.communicate(b"")  # closes the pipe; without bytes it would stay open

    def write_ready(self, ready: Ready) -> None:
        """Write `ready.json` in one step."""
        _write_private(self._ready, asdict(ready))

    def remove_ready(self) -> None:
        """Remove `ready.json`: not everything answers any more."""
        self._ready.unlink(missing_ok=True)

    @property
    def _ready(self) -> Path:
        return self.path / "ready.json"


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode().strip() or "unknown"
        raise AlreadyRunning(
            f"`citewell up` already runs on {folder} (process {holder}); stop it first, or give"
            " another `--data` folder"
        ) from None


def _write_private(path: Path, content: Mapping[str, object]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w") as out:
        json.dump(content, out, indent=2)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
