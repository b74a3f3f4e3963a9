"""`citewell migrate` and `citewell keys create` on a real Postgres."""

import asyncio
import json
import re

import psycopg
import pytest

from shared.auth.authenticator import Authenticator
from shared.auth.principal import Scope
from shared.database.engine import Database
from shared.settings import AuthSettings
from tests.support.shell import Run, runner

SECRET = "a secret of at least thirty-two characters"  # noqa: S105


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("URL", "DIRECT_URL"):
        monkeypatch.delenv(f"CITEWELL_DATABASE_{name}", raising=False)
    monkeypatch.delenv("CITEWELL_AUTH_SECRET", raising=False)
    return runner(monkeypatch, capsys)


def test_an_empty_database_is_migrated_and_migrating_again_is_fine(
    run: Run, postgres_url: str
) -> None:
    url = postgres_url.rsplit("/", 1)[0] + "/for_migrate"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE for_migrate")
    for _ in range(2):
        told = run("migrate", "--database-url", url)
        assert (told.code, told.out) == (0, "The schema is the newest.\n")
    assert json.loads(run("migrate", "--database-url", url, "--json").out) == {"schema": "newest"}
    with psycopg.connect(url) as connection:
        connection.execute("SELECT count(*) FROM jobs")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE for_migrate WITH (FORCE)")


def test_a_database_that_is_away_is_told_without_a_traceback(run: Run) -> None:
    told = run("migrate", env={"CITEWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert told.code == 3
    assert "Postgres refuses" in told.err


def test_no_database_is_wrong_usage(run: Run) -> None:
    for verb in (["migrate"], ["keys", "create"]):
        told = run(*verb)
        assert told.code == 2
        assert "CITEWELL_DATABASE_URL" in told.err


def test_a_short_secret_is_refused(run: Run, database_url: str) -> None:
    told = run("keys", "create", "--database-url", database_url, "--secret", "short")
    assert told.code == 2
    assert "CITEWELL_AUTH_SECRET" in told.err


async def test_a_made_key_opens_its_tenant_with_its_scopes(
    run: Run, database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITEWELL_AUTH_SECRET", SECRET)
    made = await _in_thread(run, "keys", "create", "--database-url", database_url, "--json")
    key = json.loads(made)["key"]
    authenticator = Authenticator(database, AuthSettings())
    principal = await authenticator.authenticate(f"Bearer {key}")
    assert principal.tenant_id == "default"
    assert principal.scopes == {Scope.INGEST, Scope.QUERY}


def test_scopes_tenant_and_end_can_be_chosen(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITEWELL_AUTH_SECRET", SECRET)
    told = run(
        *("keys", "create", "--database-url", database_url, "--tenant", "acme"),
        *("--scope", "admin", "--days", "30", "--description", "for the night run"),
    )
    assert told.code == 0
    assert told.out.startswith("cw_")
    assert "'acme': admin" in told.err
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT tenant_id, scopes, description, expires_at > now() + interval '29 days'"
            " FROM api_keys"
        ).fetchone()
    assert row == ("acme", ["admin"], "for the night run", True)


async def _in_thread(run: Run, *arguments: str) -> str:
    """Run a verb that starts an event loop of its own."""
    told = await asyncio.to_thread(run, *arguments)
    assert told.code == 0, told.err
    return told.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("test-login", "wrong"), "password authentication failed"),
        (("/citewell$", "/nowhere"), "does not exist"),
        (("127.0.0.1", "no-such-host.invalid"), "Postgres refuses"),
    ],
)
def test_what_no_waiting_cures_is_wrong_configuration(
    run: Run, postgres_url: str, change: tuple[str, str], said: str
) -> None:
    told = run("migrate", "--database-url", re.sub(*change, postgres_url))
    assert told.code == 2
    assert said in told.err


def test_another_database_s_url_is_wrong_usage(run: Run) -> None:
    told = run("migrate", "--database-url", "mysql://me@127.0.0.1/x")
    assert told.code == 2
    assert "begins no Postgres URL" in told.err
