"""What a part of the stack is: the command, its surroundings, how it is asked to stop."""

import os
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals

LOOPBACK = "127.0.0.1"
LAUNCHER = Path(__file__).with_name("launch.py")

# Below every usual ephemeral range (Linux: 32768 and up): a client that keeps dialling a stopped
# server's port may otherwise be given that very port and be connected to itself.
_PORTS = range(15_000, 32_000)
_PORT_TRIES = 200


async def always_ready() -> bool:
    """Say that a part is ready as soon as it runs."""
    return True


def nothing_to_do() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class User:
    """An account of this machine, by number."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Part:
    """One process of the stack, as it is started again and again.

    Attributes:
        folder: Its working folder.
        environment: Its whole environment; nothing is inherited.
        user: As root: who it runs as; None leaves it as it is.
        stop_signal: Asks it to end in good order.
        orphan_signal: Sent when the stack itself is killed; `stop_signal` unless given.
        ready: Tells whether it answers; errors count as no.
        before_start: Clears away what a killed predecessor left; may take its time.
        disposable: Folders it can do without, moved aside when it keeps dying at its start.
        niceness: How far it stands back for the others (0 to 19).
        pass_fds: Open file descriptors it is handed.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: User | None = None
    stop_signal: Signals = SIGTERM
    orphan_signal: Signals | None = None
    ready: Callable[[], Awaitable[bool]] = always_ready
    before_start: Callable[[], None] = nothing_to_do
    disposable: tuple[Path, ...] = ()
    niceness: int = 0
    pass_fds: tuple[int, ...] = ()

    def launch(self) -> list[str]:
        """Return the command that starts it bound to the life of this process."""
        user = f"{self.user.uid}:{self.user.gid}" if self.user else "-"
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        orphaned = self.orphan_signal or self.stop_signal
        numbers = [str(int(orphaned)), str(os.getpid()), str(self.niceness)]
        return [*launcher, *numbers, user, *self.command]


def free_port() -> int:
    """Return a port of the loopback address, which is this process's for as long as it lives.

    A server that sets SO_REUSEADDR may listen on it; nobody who looks for a free one is given it.

    Raises:
        OSError: none was found.
    """
    for port in random.sample(_PORTS, _PORT_TRIES):
        holder = socket.socket()
        try:
            holder.bind((LOOPBACK, port))
        except OSError:
            holder.close()
            continue
        # Set now: with it, the bind would have succeeded on what another process holds.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.detach()
        return port
    raise OSError("no free port on 127.0.0.1")
