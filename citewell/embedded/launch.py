"""Execs one part so that it dies with the stack: `launch.py SIGNAL PARENT NICE USER COMMAND…`.

Run as a file under `python -I -S`: the standard library alone. SIGNAL comes to the part when
PARENT ends in any way, even by kill -9; USER is `uid:gid` to become first, or `-` to stay.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def drop_privileges(user: str) -> None:
    """Become `uid:gid` for good, without supplementary groups."""
    uid, gid = map(int, user.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(signal_number: int, parent: int) -> None:
    """Ask the kernel for a signal when the parent ends; end at once if it already has.

    Raises:
        SystemExit: the parent ended before the request was in place.
    """
    if sys.platform == "linux":
        # After any change of credentials: the kernel clears the request on one.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Become the command."""
    signal_number, parent, niceness, user, *command = arguments
    os.umask(0o077)
    os.nice(int(niceness))
    if user != "-":
        drop_privileges(user)
    die_with_parent(int(signal_number), int(parent))
    os.execv(command[0], command)  # noqa: S606 - becoming the part is the point


if __name__ == "__main__":
    main(sys.argv[1:])
