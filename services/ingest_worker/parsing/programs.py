"""Other programs that a parser runs, such as one that reads pictures of text.

They are in the parser's cell, end with it, and count as its memory; a setting names them.
"""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from services.ingest_worker.lifeline import die_with_parent
from shared.errors import FileCorrupt, ParseTimedOut


def run_program(
    program: Path, arguments: Sequence[str], *, content: bytes = b"", timeout_s: float
) -> bytes:
    """Run a program on `content` and return what it wrote.

    It has one thread, like everything in a parser process, and nothing but the parser's own
    environment.

    Raises:
        ParseTimedOut: it took longer than `timeout_s` seconds.
        FileCorrupt: it ended with an error.
        OSError: it is not among the programs that may be run here.
    """
    with subprocess.Popen(  # noqa: S603 - a path from the settings, arguments of an adapter
        [str(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # The kernel's promise to kill is not inherited; a killed worker would leave it behind.
        preexec_fn=die_with_parent,  # noqa: PLW1509 - there are no other threads to fear
    ) as process:
        try:
            told, _ = process.communicate(content, timeout_s)
        except subprocess.TimeoutExpired as error:
            # Kernels before 6.12 do not let it go: then the parser ends, and it with the parser.
            with suppress(PermissionError):
                process.kill()
            raise ParseTimedOut(f"{program.name} took longer than {timeout_s:g} s.") from error
    if process.returncode:
        raise FileCorrupt(f"{program.name} cannot read it (exit code {process.returncode}).")
    return told
