"""Brings the database to the newest schema, in a process of its own.

SQLAlchemy and Alembic take a second to import, which passes while the servers start, and 50 MB,
which nobody keeps. The URL comes in over stdin: a command line would show its password.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from citewell.embedded.part_logs import PartLog
from citewell.embedded.parts import Part

_PROGRAM = "import sys; from shared.database.migrate import migrate; migrate(sys.stdin.read())"


class MigrationFailed(Exception):
    """The schema could not be brought up to date; the message ends with the last words."""


class Migration:
    """A process that is ready to migrate."""

    def __init__(self, process: asyncio.subprocess.Process, log: PartLog) -> None:
        """Take the process, which waits for a URL."""
        self._process = process
        self._log = log

    async def run(self, url: str) -> None:
        """Migrate the database at this URL.

        Raises:
            MigrationFailed: it could not be.
        """
        await self._process.communicate(url.encode())
        if self._process.returncode:
            raise MigrationFailed(f"migration failed, see {self._log.path}: {self._log.tail()}")


@asynccontextmanager
async def prepared_migration(
    folder: Path, logs: Path, environment: Mapping[str, str]
) -> AsyncIterator[Migration]:
    """Start the process; it ends with the block, whether it has migrated or not."""
    log = PartLog(logs, "migrate")
    log.begin()
    part = Part("migrate", (sys.executable, "-P", "-c", _PROGRAM), folder, environment)
    output = log.open()
    try:
        process = await asyncio.create_subprocess_exec(
            *part.launch(),
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)
    try:
        yield Migration(process, log)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
