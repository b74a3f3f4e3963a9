"""PgBouncer in transaction mode before a test's Postgres, from Debian's package."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from pydantic import Field
from pydantic_settings import BaseSettings

from citewell.embedded.parts import LOOPBACK, Part, User, free_port
from tests.support.processes import NOBODY, running

PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


class PoolerTestSettings(BaseSettings):
    """Whether the suite's databases are to be reached through a pooler."""

    citewell_test_pooler: bool = Field(default=False)


@contextmanager
def start_pooler(folder: Path, postgres_url: str) -> Iterator[str]:
    """Start PgBouncer before a server; yield the URL that leads through it.

    Three server connections for each database: more transactions than that at once take turns.
    """
    program = shutil.which("pgbouncer", path=PLACES)
    assert program, "PgBouncer is not installed: apt-get install pgbouncer"
    there, port = urlsplit(postgres_url), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    users = folder / "users.txt"
    users.write_text(f'"{there.username}" "{there.password}"\n')
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
* = host={LOOPBACK} port={there.port}
[pgbouncer]
listen_addr = {LOOPBACK}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
server_login_retry = 1
ignore_startup_parameters = extra_float_digits,options
"""
    )
    # It refuses to run as root, and reads its files as who it is.
    user = User(NOBODY, NOBODY) if os.geteuid() == 0 else None
    for path in (folder, users, config):
        path.chmod(0o755)
    url = there._replace(netloc=there.netloc.replace(f":{there.port}", f":{port}")).geturl()

    async def ready() -> bool:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=2):
            return True

    part = Part(
        name="pgbouncer",
        command=(program, "-q", "/proc/self/cwd/pgbouncer.ini"),
        folder=folder,
        user=user,
        ready=ready,
    )
    config.write_text(config.read_text().replace(str(folder), "/proc/self/cwd"))
    with running(part, folder / "pgbouncer.log"):
        yield url
