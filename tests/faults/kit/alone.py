"""A network of the test's own whose only way out ends here: what would leave the machine is told.

    with alone() as way_out:
        …start processes, talk to them…
        assert way_out is None or way_out.packets() == []

Made of a network namespace and a TUN device (network_namespaces(7); tuntap.rst of the kernel's
documentation). Who may not make them, or lacks the program `ip`, gets None: nothing was checked.
"""

import ctypes
import fcntl
import ipaddress
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.kit.processes import Process, running

LIBC = ctypes.CDLL(None, use_errno=True)
OURS = Path("/proc/thread-self/ns/net")
# sched.h, linux/if_tun.h
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NAME = "outside"
# Addresses for documentation (RFC 5737, RFC 3849): nothing else may mean them.
WAYS = (
    "link set lo up",
    f"link set {NAME} up",
    f"addr add 192.0.2.2/24 dev {NAME}",
    f"route add default dev {NAME}",
    f"-6 addr add 2001:db8::2/64 dev {NAME} nodad",
    f"-6 route add default dev {NAME}",
)
LARGEST = 65536
# What the kernel itself says to its neighbours, by next header (RFC 8200).
NEIGHBOURLY = (0, 58)


@dataclass(frozen=True, slots=True)
class WayOut:
    """The device through which everything goes that is not for this machine."""

    device: int

    def packets(self) -> list[str]:
        """Return the protocol and the address of every packet since the last time."""
        told: list[str] = []
        with suppress(BlockingIOError):
            while True:
                told += _told(os.read(self.device, LARGEST))
        return told

    def processes(self) -> set[Process]:
        """Return who lives in this network, but for this process itself."""
        ours = OURS.readlink()
        return {one for one in running() if one.pid != os.getpid() and _network_of(one) == ours}


@contextmanager
def alone() -> Iterator[WayOut | None]:
    """Move this thread, and what it starts, into a network of its own; move it back in the end."""
    home = OURS.readlink()
    before = os.open(OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        device = _enter()
        if device is None:
            print("no network of our own could be made: packets that leave were NOT looked for")
            yield None
        else:
            yield WayOut(device)
            os.close(device)
    finally:
        if OURS.readlink() != home:
            _call("setns", before, CLONE_NEWNET)
        os.close(before)


def _enter() -> int | None:
    if shutil.which("ip") is None:
        return None
    try:
        _call("unshare", CLONE_NEWNET)
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    for way in WAYS:
        subprocess.run(["ip", *way.split()], check=True)
    return device


def _call(name: str, *arguments: int) -> None:
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _told(packet: bytes) -> list[str]:
    if packet[0] >> 4 == 4:
        return [f"protocol {packet[9]} to {ipaddress.ip_address(packet[16:20])}"]
    target = ipaddress.ip_address(packet[24:40])
    if packet[6] in NEIGHBOURLY and target.is_multicast:
        return []
    return [f"protocol {packet[6]} to {target}"]


def _network_of(process: Process) -> Path | None:
    with suppress(OSError):
        return Path(f"/proc/{process.pid}/ns/net").readlink()
    return None
