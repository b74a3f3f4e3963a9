"""Parts started for a test and stopped after it, however it ended."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from citewell.embedded.parts import Part

READY_S = 30.0
STOP_S = 20.0
NOBODY = 65534
# An ordinary user who may read this checkout and its interpreter wherever they are.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


@contextmanager
def running(part: Part, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a part, wait until it answers, and stop it in the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            part.launch(),
            cwd=part.folder,
            env=dict(part.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=part.pass_fds,
        )
    try:
        wait_until_ready(part, process, log)
        yield process
    finally:
        stop(part, process)


def wait_until_ready(part: Part, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"{part.name} ended: {log.read_text()}")
        if _answers(part):
            return
        time.sleep(0.02)
    raise AssertionError(f"{part.name} is not ready: {log.read_text()}")


def _answers(part: Part) -> bool:
    async def ask() -> bool:
        return await part.ready()

    with suppress(Exception):
        return asyncio.run(ask())
    return False


def stop(part: Part, process: subprocess.Popen[bytes]) -> None:
    """Ask the part to end, then make it; its children too."""
    process.send_signal(part.stop_signal)
    try:
        process.wait(STOP_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
