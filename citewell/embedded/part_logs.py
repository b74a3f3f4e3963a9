"""One log file for each part: parts write to it themselves, so their lines outlive the stack.

A file that has grown too long is copied aside and emptied; parts append, so they go on in it.
"""

import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

MIB = 1024 * 1024
LONGEST = 10 * MIB
KEPT = 3
_START = "=== "
_NOTE = "--- "


class PartLog:
    """The log of one part."""

    def __init__(self, folder: Path, name: str) -> None:
        """Take `folder/name.log`; nothing is opened yet."""
        self.path = folder / f"{name}.log"
        self._name = name

    def open(self) -> int:
        """Return a file descriptor to append to; the caller closes it."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def begin(self) -> None:
        """Write that the part is started: what follows are its words."""
        self._write(_START, "is started")

    def note(self, what: str) -> None:
        """Write a line of our own."""
        self._write(_NOTE, what)

    def says(self, pattern: re.Pattern[bytes]) -> bool:
        """Tell whether a line since the last start matches."""
        return bool(pattern.search(self._since_start()))

    def tail(self, lines: int = 15) -> str:
        """Return the last lines."""
        return "\n".join(self._since_start().decode(errors="replace").splitlines()[-lines:])

    def rotate(self) -> None:
        """Copy the file aside and empty it if it is too long."""
        if not self.path.exists() or self.path.stat().st_size < LONGEST:
            return
        for number in range(KEPT - 1, 0, -1):
            older = self._aside(number)
            if older.exists():
                older.rename(self._aside(number + 1))
        shutil.copy(self.path, self._aside(1))
        os.truncate(self.path, 0)

    def _write(self, mark: str, what: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        # A full disk or a folder that was removed must not end the one who keeps the part alive.
        with suppress(OSError):
            file = self.open()
            try:
                os.write(file, f"{mark}{now} {self._name} {what}\n".encode())
            finally:
                os.close(file)

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _since_start(self) -> bytes:
        text = self.path.read_bytes() if self.path.exists() else b""
        return text.rpartition(_START.encode())[2]
