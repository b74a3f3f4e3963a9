"""Tries to get out of a parser process's cell, and tells as JSON what became of each try.

Run as `python -m tests.support.prisoner CELL SECRET OUTSIDE [as-nobody] [without-landlock]`: CELL
as `confine` takes it, SECRET a file outside of it, OUTSIDE a folder outside of it.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from services.ingest_worker.parsing.sandbox import landlock
from services.ingest_worker.parsing.sandbox.confine import Cell, confine
from services.ingest_worker.parsing.sandbox.numbers import number_of

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16
NOBODY = 65534


def call(name: str, *arguments: object) -> None:
    """Make a system call past all wrappers."""
    number = number_of(name)
    if number is None:
        raise OSError("no such call on this machine")
    if LIBC.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def attempts(cell: Cell, secret: Path, outside: Path) -> dict[str, Callable[[], object]]:
    parent, inside = os.getppid(), cell.files / "input"
    return {
        "tcp socket": socket.socket,
        "udp socket": lambda: socket.socket(type=socket.SOCK_DGRAM),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "socket pair": socket.socketpair,
        "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "io_uring": lambda: call("io_uring_setup", 8, ctypes.create_string_buffer(120)),
        "write outside": lambda: (outside / "x").write_text("x"),
        "write the input": lambda: inside.write_text("x"),
        "append to the input": lambda: os.open(inside, os.O_WRONLY | os.O_APPEND),
        "truncate the input": lambda: os.truncate(inside, 0),
        "truncate by reading": lambda: os.open(inside, os.O_RDONLY | os.O_TRUNC),
        "remove the input": inside.unlink,
        "rename the input": lambda: inside.rename(outside / "input"),
        "link the input": lambda: os.link(inside, outside / "link"),
        "link by name": lambda: (outside / "link").symlink_to(inside),
        "make a folder": (outside / "folder").mkdir,
        "make a folder in scratch": (cell.scratch / "folder").mkdir,
        "make a pipe": lambda: os.mkfifo(outside / "pipe"),
        "change a mode": lambda: inside.chmod(0o777),
        "change a time": lambda: os.utime(inside, (0, 0)),
        "change an owner": lambda: os.chown(inside, 1, 1),
        "set an attribute": lambda: os.setxattr(inside, "user.x", b"x"),
        "shared memory": lambda: call("shmget", 4711, 4096, 0o1666),
        "attach the parent": lambda: call("ptrace", PTRACE_ATTACH, parent, 0, 0),
        "read the parent's memory": lambda: call("process_vm_readv", parent, 0, 0, 0, 0, 0),
        "signal the parent": lambda: os.kill(parent, signal.SIGCONT),
        "signal everyone": lambda: os.kill(-1, 0),
        "limit the parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, (9, 9)),
        "slow the parent": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
        "pidfd of the parent": lambda: os.pidfd_open(parent),
        "leave the session": lambda: call("setsid"),
        "become someone": lambda: os.setuid(65533),
        "outlive the parent": unset_death_signal,
        "new namespaces": lambda: call("unshare", 0x10000000 | 0x40000000),
        "mount": lambda: call("mount", b"none", bytes(outside), b"tmpfs", 0, 0),
        "fork": leaving(os.fork),
        "fork by clone3": lambda: call("clone3", ctypes.create_string_buffer(64), 64),
        "run a shell": lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True),
        "run python": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        "become a shell": lambda: os.execv("/bin/sh", ["sh", "-c", "true"]),  # noqa: S606
        "dump core": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)),
        # Refused by Landlock alone.
        "read a secret": secret.read_text,
        "read the password file": lambda: Path("/etc/passwd").read_text(),
        "list a folder outside": lambda: list(outside.iterdir()),
        "read the parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "read the parent's command": lambda: Path(f"/proc/{parent}/cmdline").read_bytes(),
        "read the parent's files": lambda: list(Path(f"/proc/{parent}/fd").iterdir()),
        # What a reader needs must go on working.
        "allowed: read the input": inside.read_text,
        "allowed: import late": lambda: __import__("xml.dom.minidom"),
        "allowed: a thread": in_a_thread,
        "allowed: memory": lambda: mmap.mmap(-1, 1 << 20),
        "allowed: write nothing": lambda: os.open(os.devnull, os.O_WRONLY),
        "allowed: write in scratch": lambda: (cell.scratch / "x").write_text("x"),
        "allowed: remove in scratch": (cell.scratch / "x").unlink,
        "allowed: signal oneself": lambda: os.kill(os.getpid(), 0),
        "allowed: randomness": lambda: os.urandom(8),
    }


def leaving(fork: Callable[[], int]) -> Callable[[], None]:
    """Fork, and end the copy at once should there be one."""

    def attempt() -> None:
        if fork() == 0:
            os._exit(0)

    return attempt


def unset_death_signal() -> None:
    if LIBC.prctl(1, 0, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")


def in_a_thread() -> None:
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    if not done:
        raise OSError("the thread did not run")


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (ImportError, OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        return f"refused: {error}"
    return "done"


def main() -> None:
    cell = Cell.model_validate_json(sys.argv[1])
    secret, outside = Path(sys.argv[2]), Path(sys.argv[3])
    if "without-landlock" in sys.argv:
        landlock.version = lambda: 0
    if "as-nobody" in sys.argv:
        os.setuid(NOBODY)
    held = confine(cell)
    told = {name: outcome(attempt) for name, attempt in attempts(cell, secret, outside).items()}
    print(json.dumps({"held": held.level, **told}), flush=True)


if __name__ == "__main__":
    main()
