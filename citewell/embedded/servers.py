"""Postgres, Valkey and Qdrant as parts of the embedded stack, each replaceable by a URL."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from citewell.embedded.data_folder import DataFolder, Secrets
from citewell.embedded.parts import LOOPBACK, Part, free_port
from citewell.embedded.postgres import PostgresPasswords, find_postgres, postgres_url
from citewell.embedded.probes import http_answers
from citewell.embedded.settings import EmbeddedSettings
from citewell.embedded.valkey import find_valkey, valkey_part, valkey_url

_PYTHON = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class Ports:
    """The servers' ports; 0 means any free one."""

    postgres: int = 0
    valkey: int = 0
    qdrant: int = 0


@dataclass(frozen=True)
class Servers:
    """Where the three servers are."""

    database_url: str
    redis_url: str
    qdrant_url: str


class ServerParts:
    """Decides for each server: the one that was given, or one of our own."""

    def __init__(self, folder: DataFolder, secrets: Secrets, inherited: Mapping[str, str]) -> None:
        """Take the folder the servers' data are in, and the environment that may name others."""
        self.parts: list[Part] = []
        self._folder = folder
        self._secrets = secrets
        self._inherited = inherited
        self._settings = EmbeddedSettings()

    def build(self, ports: Ports) -> Servers:
        """Return every server's URL; `parts` then holds those that are ours to run.

        Raises:
            ConfigurationInvalid: a server has no programs here, or its data do not fit them.
        """
        return Servers(
            database_url=self._given("DATABASE") or self._postgres(ports.postgres or free_port()),
            redis_url=self._given("REDIS") or self._valkey(ports.valkey or free_port()),
            qdrant_url=self._given("QDRANT") or self._qdrant(ports.qdrant or free_port()),
        )

    def _given(self, server: str) -> str:
        return self._inherited.get(f"CITEWELL_{server}_URL", "")

    def _postgres(self, port: int) -> str:
        postgres = find_postgres(self._settings)
        data = self._folder.path / "postgres"
        password = self._secrets.postgres
        postgres.create(data, PostgresPasswords(self._secrets.postgres_superuser, password))
        self.parts.append(postgres.part(data, port, password))
        return postgres_url(port, password)

    def _valkey(self, port: int) -> str:
        password = self._secrets.valkey
        program = find_valkey(self._settings)
        self.parts.append(valkey_part(program, self._folder.sub("valkey"), port, password))
        return valkey_url(port, password)

    def _qdrant(self, port: int) -> str:
        data: Path = self._folder.sub("qdrant")
        self.parts.append(
            Part(
                name="qdrant",
                command=(
                    *(*_PYTHON, "citewell.embedded.qdrant"),
                    *("--data", str(data), "--port", str(port)),
                ),
                folder=self._folder.path,
                environment={**self._inherited, "CITEWELL_QDRANT_API_KEY": self._secrets.qdrant},
                ready=http_answers((LOOPBACK, port), "/readyz"),
            )
        )
        return f"http://{LOOPBACK}:{port}"
