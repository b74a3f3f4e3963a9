"""`citewell up`: every server and service on this machine, in the foreground, from wheels.

Comes in: a data folder and a port. Goes out: `ready.json` while everything answers, an exit code
in the end. Servers start together, then the schema is brought up to date, then the services.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from citewell.embedded.data_folder import DataFolder, Ready
from citewell.embedded.leftovers import wait_for_end, with_environment
from citewell.embedded.migration import MigrationFailed, prepared_migration
from citewell.embedded.outside import ask_outside
from citewell.embedded.parts import LOOPBACK, Part, free_port
from citewell.embedded.probes import address_of
from citewell.embedded.servers import Ports, ServerParts
from citewell.embedded.services import (
    beat_part,
    flower_part,
    flower_url,
    gateway_part,
    service_environment,
    worker_parts,
)
from citewell.embedded.supervisor import PartFailed, Supervisor
from shared.errors import CitewellError, ConfigurationInvalid

SERVERS_READY_S = 60.0
SERVICES_READY_S = 120.0
# Services end first, then servers; both within ten seconds. Workers need the longer time: four
# seconds are theirs to finish in, then they give back what they were doing.
SERVICES_GRACE_S = 6.0
SERVERS_GRACE_S = 3.5
LEFTOVERS_GRACE_S = 10.0
BACKLOG = 1024
MARKER = "CITEWELL_STACK"
MOST_PARSE_PROCESSES = 4


@dataclass(frozen=True)
class StackOptions:
    """What `citewell up` was asked for; port 0 means any free one.

    Attributes:
        data: The data folder, made if it is not there.
        host: The address the gateway listens on; everything else stays on the loopback address.
        parse_processes: Parsers at work at once; 0: `CITEWELL_INGEST_SLOTS`, else one a core.
    """

    data: Path
    port: int = 8080
    host: str = LOOPBACK
    flower_port: int = 0
    server_ports: Ports = field(default_factory=Ports)
    parse_processes: int = 0


def run(options: StackOptions) -> int:
    """Run the stack until it is told to stop; return the process's exit code."""
    try:
        folder = DataFolder(options.data)
        with folder.locked():
            return asyncio.run(_Stack(options, folder).live())
    except (CitewellError, MigrationFailed, PartFailed, OSError) as error:
        Console(stderr=True, soft_wrap=True, markup=False).print(f"citewell up: {error}")
        return 1


class _Stack:
    def __init__(self, options: StackOptions, folder: DataFolder) -> None:
        self._began = time.monotonic()
        self._options = options
        self._folder = folder
        self._inherited = _environment(folder)
        self._secrets = folder.read_secrets()
        self._supervisor = Supervisor(folder.sub("logs"), self._parts_changed)
        self._console = Console(soft_wrap=True, highlight=False)
        self._stop = asyncio.Event()
        self._url = ""
        self._api_key = ""
        self._told_pids: dict[str, int] = {}
        self._flower_port = options.flower_port or free_port()
        self._up = False

    async def live(self) -> int:
        """Start everything, wait for the word to stop, stop everything."""
        self._console.print(f"Starting Citewell in {escape(str(self._folder.path))} …")
        self._folder.remove_ready()
        self._listen_for_signals()
        await asyncio.to_thread(_see_out_leftovers, self._folder)
        with _listen(self._options) as door:
            self._url = _url(door)
            async with self._folder.ready_ends_with_us(self._inherited):
                await self._live_behind(door)
        return 0

    async def _live_behind(self, door: socket.socket) -> None:
        try:
            await self._start_unless_stopped(door)
            await self._stop.wait()
        finally:
            self._up = False
            self._folder.remove_ready()
            await self._supervisor.stop()
            self._console.print(f"Stopped. The data are in {escape(str(self._folder.path))}.")

    async def _start_unless_stopped(self, door: socket.socket) -> None:
        starting = asyncio.create_task(self._start(door))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            return await starting
        starting.cancel()
        return None

    async def _start(self, door: socket.socket) -> None:
        logs = self._folder.sub("logs")
        for name, place in (await ask_outside(self._inherited)).items():
            self._console.print(f"  not started here: {name} names {escape(place)}")
        servers = ServerParts(self._folder, self._secrets, self._inherited)
        async with prepared_migration(self._folder.path, logs, self._inherited) as migration:
            where = await asyncio.to_thread(servers.build, self._options.server_ports)
            await self._supervisor.start(
                self._marked(servers.parts), timeout_s=SERVERS_READY_S, grace_s=SERVERS_GRACE_S
            )
            settings = {**self._inherited, **where}
            direct_url = settings.get("CITEWELL_DATABASE_DIRECT_URL")
            await migration.run(direct_url or settings["CITEWELL_DATABASE_URL"])
        await self._supervisor.start(
            self._services(door, where), timeout_s=SERVICES_READY_S, grace_s=SERVICES_GRACE_S
        )
        self._up = True
        self._parts_changed(self._supervisor.pids)
        self._greet()

    def _marked(self, parts: list[Part]) -> list[Part]:
        """Mark those too that inherit nothing."""
        mark = {MARKER: self._folder.identity}
        return [replace(part, environment={**part.environment, **mark}) for part in parts]

    def _services(self, door: socket.socket, servers: Mapping[str, str]) -> list[Part]:
        processes = _parse_processes(self._options, self._inherited)
        own = dict.fromkeys(("CITEWELL_QUALITY_URL", "CITEWELL_MCP_INGEST_URL"), self._url)
        environment = own | service_environment(
            self._inherited, self._folder, self._secrets, servers, processes
        )
        self._api_key = environment["CITEWELL_BOOTSTRAP_KEY"]
        return [
            gateway_part(self._folder, environment, door),
            *worker_parts(self._folder, environment, processes),
            beat_part(self._folder, environment),
            flower_part(
                self._folder, environment, port=self._flower_port, password=self._secrets.flower
            ),
        ]

    def _parts_changed(self, pids: Mapping[str, int]) -> None:
        if not self._up:
            return
        for name, pid in pids.items():
            if self._told_pids.get(name, pid) != pid:
                self._console.print(f"{name} ended and was started again (process {pid})")
        self._told_pids = dict(pids)
        self._folder.write_ready(self._ready())

    def _ready(self) -> Ready:
        return Ready(
            url=self._url,
            api_key=self._api_key,
            flower_url=flower_url(self._flower_port, self._secrets.flower),
            log_dir=str(self._folder.sub("logs")),
            pids=self._told_pids,
        )

    def _greet(self) -> None:
        ready = self._ready()
        rows = {
            "URL": ready.url,
            "API key": ready.api_key,
            "Flower": ready.flower_url,
            "Logs": ready.log_dir,
        }
        took = f"after {time.monotonic() - self._began:.1f} s"
        self._console.print(f"[bold green]Citewell is ready[/] {took}; Ctrl-C stops it.")
        for name, value in rows.items():
            self._console.print(f"  {name:<8}[bold]{escape(value)}[/]")

    def _listen_for_signals(self) -> None:
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` asks
            signals.append(signal.SIGHUP)
        for number in signals:
            asyncio.get_running_loop().add_signal_handler(number, self._told_to_stop)

    def _told_to_stop(self) -> None:
        if self._stop.is_set():
            self._supervisor.kill()
            return
        self._console.print("Stopping …")
        self._stop.set()


def _environment(folder: DataFolder) -> dict[str, str]:
    """Return the environment everything inherits, marked so that a later start can find it."""
    return {**os.environ, MARKER: folder.identity}  # noqa: TID251 - handed on, never read here


def _see_out_leftovers(folder: DataFolder) -> None:
    """Wait for what a killed run left behind; it was told to end when that run was killed."""
    wait_for_end(lambda: with_environment(MARKER, folder.identity), LEFTOVERS_GRACE_S)


def _parse_processes(options: StackOptions, inherited: Mapping[str, str]) -> int:
    by_hand = options.parse_processes or int(inherited.get("CITEWELL_INGEST_SLOTS") or 0)
    return by_hand or min(os.cpu_count() or 1, MOST_PARSE_PROCESSES)


def _listen(options: StackOptions) -> socket.socket:
    """Open the gateway's door here, so that requests wait while the gateway is started again."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationInvalid(
            f"cannot listen on {options.host}:{options.port} ({error.strerror}); choose another"
            " port, or 0 for any free one"
        ) from error


def _url(door: socket.socket) -> str:
    host, port = address_of(door)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
