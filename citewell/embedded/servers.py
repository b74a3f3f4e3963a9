"""Postgres, Valkey and Qdrant as parts of the embedded stack, each replaceable by a URL."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

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


class ServerParts:
    """Decides for each server: the one that was given, or one of our own."""

    def __init__(self, folder: DataFolder, secrets: Secrets, inherited: Mapping[str, str]) -> None:
        """Take the folder the servers' data are in, and the environment that may name others."""
        self.parts: list[Part] = []
        self._folder = folder
        self._secrets = secrets
        self._inherited = inherited
        self._settings = EmbeddedSettings()

    def build(self, ports: Ports) -> dict[str, str]:
        """Return the settings that lead the services to the servers.

        `parts` then holds the servers that are ours to run.

        Raises:
            ConfigurationInvalid: a server has no programs here, or its data do not fit them.
        """
        return {
            **(self._given("DATABASE") or self._postgres(ports.postgres or free_port())),
            **(self._given("REDIS") or self._valkey(ports.valkey or free_port())),
            **(self._given("QDRANT") or self._qdrant(ports.qdrant or free_port())),
        }

    def _given(self, server: str) -> dict[str, str]:
        """Return the setting that names another server, if there is one."""
        name = f"CITEWELL_{server}_URL"
        return {name: self._inherited[name]} if self._inherited.get(name) else {}

    def _postgres(self, port: int) -> dict[str, str]:
        postgres = find_postgres(self._settings)
        data = self._folder.path / "postgres"
        password = self._secrets.postgres
        postgres.create(data, PostgresPasswords(self._secrets.postgres_superuser, password))
        self.parts.append(postgres.part(data, port, password))
        url = postgres_url(port, password)
        return {"CITEWELL_DATABASE_URL": url, "CITEWELL_DATABASE_DIRECT_URL": url}

    def _valkey(self, port: int) -> dict[str, str]:
        password = self._secrets.valkey
        program = find_valkey(self._settings)
        self.parts.append(valkey_part(program, self._folder.sub("valkey"), port, password))
        return {"CITEWELL_REDIS_URL": valkey_url(port, password)}

    def _qdrant(self, port: int) -> dict[str, str]:
        data = self._folder.sub("qdrant")
        key = {"CITEWELL_QDRANT_API_KEY": self._secrets.qdrant}
        self.parts.append(
            Part(
                name="qdrant",
                command=(
                    *(*_PYTHON, "citewell.embedded.qdrant"),
                    *("--data", str(data), "--port", str(port)),
                ),
                folder=self._folder.path,
                environment={**self._inherited, **key},
                ready=http_answers((LOOPBACK, port), "/readyz"),
            )
        )
        return {"CITEWELL_QDRANT_URL": f"http://{LOOPBACK}:{port}", **key}
