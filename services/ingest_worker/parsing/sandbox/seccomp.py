"""seccomp: which system calls a process can make at all (seccomp(2)).

A list of refusals: what a reader's library may need differs from one release to the next, and a
call that is refused by mistake is a file that cannot be read. What could reach beyond the process
is named here; files are Landlock's business where the kernel has it.
"""

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from services.ingest_worker.parsing.sandbox.kernel import syscall
from services.ingest_worker.parsing.sandbox.numbers import audit_arch, number_of

NETWORK = "socket socketpair connect bind listen accept accept4"
# io_uring would make every other call past this filter.
OTHER_PROCESSES = (
    "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open"
    " pidfd_getfd pidfd_send_signal io_uring_setup io_uring_enter io_uring_register"
    " setpriority sched_setscheduler sched_setparam sched_setattr sched_setaffinity ioprio_set"
    " migrate_pages move_pages tkill"
)
# Whoever left the session could not be ended with it.
SESSION = "setsid setpgid"
KERNEL = (
    "bpf perf_event_open userfaultfd add_key request_key keyctl mount umount2 pivot_root chroot"
    " move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr swapon"
    " swapoff setns unshare personality name_to_handle_at open_by_handle_at fanotify_init"
    " init_module finit_module delete_module kexec_load kexec_file_load reboot sethostname"
    " setdomainname quotactl acct syslog vhangup settimeofday clock_settime clock_adjtime"
    " adjtimex iopl ioperm setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid"
    " setfsgid capset"
)
# Shared memory and queues of System V and POSIX outlive who made them.
QUEUES = (
    "shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open"
    " mq_unlink"
)
# Landlock knows nothing of these (of `truncate` since version 3 only).
ATTRIBUTES = (
    "chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat setxattr lsetxattr fsetxattr"
    " setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr utime utimes"
    " futimesat utimensat truncate"
)
FOLDERS = (
    "creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink"
    " symlinkat mknod mknodat"
)

_ALL_BITS = 0xFFFFFFFF
_CLONE_THREAD = 0x10000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

# linux/bpf_common.h, linux/seccomp.h
_LOAD, _AND, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_SET_FILTER, _ALL_THREADS, _ACTION_AVAILABLE = 1, 1, 2


@dataclass(frozen=True, slots=True)
class Test:
    """An argument's low 32 bits, masked, compared with a value."""

    argument: int
    value: int
    mask: int = _ALL_BITS


@dataclass(frozen=True, slots=True)
class Rule:
    """What is answered to a call that passes every test; the first rule that fits holds.

    `answer` is an errno, None to allow.
    """

    call: str
    tests: tuple[Test, ...] = ()
    answer: int | None = errno.EPERM


@dataclass(frozen=True, slots=True)
class Permissions:
    """What depends on the machine and the settings.

    `files`: Landlock watches over the files, so that they need not be refused here. `programs`:
    programs may be started. `signals`: signals cannot leave the process's own domain.
    """

    files: bool
    programs: bool
    signals: bool


def available() -> bool:
    """Tell whether this machine's numbers are known and its kernel can refuse calls."""
    if audit_arch() is None:
        return False
    try:
        action = ctypes.create_string_buffer(struct.pack("=I", _REFUSE), 4)
        return syscall("seccomp", _ACTION_AVAILABLE, 0, action) == 0
    except OSError:
        return False


def restrict(permissions: Permissions) -> None:
    """Refuse this process, and all it starts, what it has no need of; there is no way back.

    Needs no_new_privs.

    Raises:
        OSError: the kernel has no seccomp, or this machine's numbers are not known.
    """
    steps = b"".join(program(permissions))
    held = ctypes.create_string_buffer(steps, len(steps))
    header = struct.pack("@HP", len(steps) // 8, ctypes.addressof(held))
    syscall("seccomp", _SET_FILTER, _ALL_THREADS, ctypes.create_string_buffer(header, len(header)))


def rules(permissions: Permissions) -> Iterator[Rule]:
    """Return what is refused, in order."""
    for call in f"{NETWORK} {OTHER_PROCESSES} {SESSION} {KERNEL} {QUEUES} {ATTRIBUTES}".split():
        yield Rule(call)
    yield from _signal_rules(permissions)
    yield from _process_rules(permissions)
    yield from _file_rules(permissions)


def _signal_rules(permissions: Permissions) -> Iterator[Rule]:
    """To itself only: abort(3) and raise(3) work, the worker cannot be hit."""
    for call in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        if not (permissions.programs and permissions.signals):
            yield Rule(call, (Test(0, os.getpid()),), None)
            yield Rule(call)
    # Nobody may outlive the parser, nor hand its orphans to another.
    yield Rule("prctl", (Test(0, _PR_SET_PDEATHSIG), Test(1, signal.SIGKILL)), None)
    yield Rule("prctl", (Test(0, _PR_SET_PDEATHSIG),))
    yield Rule("prctl", (Test(0, _PR_SET_CHILD_SUBREAPER),))
    yield Rule("prlimit64", (Test(0, 0),), None)
    yield Rule("prlimit64")


def _process_rules(permissions: Permissions) -> Iterator[Rule]:
    if permissions.programs:
        return
    # Threads, not processes. clone3 hides its flags; without it the C library takes clone.
    yield Rule("clone", (Test(0, _CLONE_THREAD, _CLONE_THREAD),), None)
    yield Rule("clone3", (), errno.ENOSYS)
    for call in ("clone", "fork", "vfork", "execve", "execveat"):
        yield Rule(call)


def _file_rules(permissions: Permissions) -> Iterator[Rule]:
    # Truncates without a right to write, and passes Landlock before version 3.
    yield from _opening(Test(1, os.O_TRUNC, os.O_TRUNC | os.O_ACCMODE), errno.EPERM)
    if permissions.files:
        return
    writing = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
    yield from _opening(Test(1, os.O_RDONLY, writing), None)
    yield from _opening(None, errno.EACCES)
    yield Rule("openat2", (), errno.ENOSYS)
    for call in FOLDERS.split():
        yield Rule(call)


def _opening(flags: Test | None, answer: int | None) -> Iterator[Rule]:
    """The same of open(2), and of openat(2), whose flags come one argument later."""
    yield Rule("open", (flags,) if flags else (), answer)
    later = (Test(flags.argument + 1, flags.value, flags.mask),) if flags else ()
    yield Rule("openat", later, answer)


def program(permissions: Permissions) -> Iterator[bytes]:
    """Return the filter, step by step (linux/filter.h, struct sock_filter)."""
    yield _step(_LOAD, _ARCH_AT)
    yield _step(_JUMP_EQUAL, audit_arch() or 0, 1, 0)
    yield _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER_AT)
    # The x32 calls of x86-64 have numbers of their own for everything.
    yield _step(_JUMP_AT_LEAST, _X32, 0, 1)
    yield _step(_RETURN, _REFUSE | errno.ENOSYS)
    for rule in rules(permissions):
        yield from _block(rule)
    yield _step(_RETURN, _ALLOW)


def _block(rule: Rule) -> Iterator[bytes]:
    """One rule: jump past it unless number and arguments fit, with the number loaded again."""
    number = number_of(rule.call)
    if number is None:
        return
    # Each test takes three steps; after the answer, one loads the number for the next rule.
    left = 3 * len(rule.tests) + 1
    yield _step(_JUMP_EQUAL, number, 0, left)
    for test in rule.tests:
        left -= 3
        yield _step(_LOAD, _ARGUMENTS_AT + 8 * test.argument)
        yield _step(_AND, test.mask)
        yield _step(_JUMP_EQUAL, test.value & _ALL_BITS, 0, left)
    yield _step(_RETURN, _ALLOW if rule.answer is None else _REFUSE | rule.answer)
    if rule.tests:
        yield _step(_LOAD, _NUMBER_AT)


def _step(code: int, value: int, fits: int = 0, fails: int = 0) -> bytes:
    return struct.pack("=HBBI", code, fits, fails, value)
