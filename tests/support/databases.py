"""Migrated, empty databases for tests: a used one is emptied, which costs less than a new one.

A new one is some three hundred files, and file systems are slow to make files where many were
removed a moment ago.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from shared.database.migrate import migrate

TEMPLATE = "citewell_template"
# Rows that were deleted stay in the files: after so many tests a database is made anew.
USES = 25
EMPTY = """
DO $$
DECLARE
    relation record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR relation IN
        SELECT oid, oid::regclass AS name, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
          AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0
    LOOP
        IF relation.relkind = 'S' THEN
            PERFORM setval(relation.oid, 1, false);
        ELSE
            EXECUTE format('DELETE FROM %s', relation.name);
        END IF;
    END LOOP;
END $$
"""
PUT_OUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
# Whether a test changed the schema: the rows that describe it, and what wrote the last of them.
CATALOGS = ("pg_class", "pg_attribute", "pg_constraint", "pg_proc", "pg_policy", "pg_trigger")
SCHEMA = " UNION ALL ".join(
    f"SELECT count(*), max(xmin::text::bigint) FROM {catalog}"  # noqa: S608
    for catalog in CATALOGS
)


class Databases:
    """The databases of one server, each in the hands of one test at a time."""

    def __init__(self, url: str, superuser: str) -> None:
        """Take the URL of the services' login, who owns them, and the superuser's."""
        self._login = urlsplit(url).username or ""
        self._superuser = superuser
        self._numbers = itertools.count()
        self._uses = Counter[str]()
        self._idle: list[str] = []
        self._server = psycopg.connect(superuser, autocommit=True)
        self._run("CREATE DATABASE {} OWNER {}", TEMPLATE, self._login)
        migrate(with_name(url, TEMPLATE))
        with self._inside(TEMPLATE) as template:
            self._schema = template.execute(SCHEMA).fetchall()

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Yield the name of one that is empty."""
        name = self._take()
        yield name
        self._take_back(name)

    def close(self) -> None:
        """Let go of the server."""
        self._server.close()

    def _take(self) -> str:
        if self._idle:
            return self._idle.pop()
        name = self._new_name()
        # Twice as fast as through the log, for a small template.
        make = "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY"
        self._run(make, name, self._login, TEMPLATE)
        return name

    def _take_back(self, name: str) -> None:
        """Empty it under another name, which nobody knows who still runs."""
        kept, uses = self._new_name(), self._uses.pop(name, 0) + 1
        self._rename(name, kept)
        if uses < USES and self._empty(kept):
            self._uses[kept] = uses
            self._idle.append(kept)
        else:
            self._run("DROP DATABASE {} WITH (FORCE)", kept)

    def _rename(self, name: str, to: str) -> None:
        self._run("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        self._server.execute(PUT_OUT, [name])
        self._run("ALTER DATABASE {} RENAME TO {}", name, to)
        self._run("ALTER DATABASE {} ALLOW_CONNECTIONS true", to)

    def _empty(self, name: str) -> bool:
        """Empty a database, but for one whose schema was changed."""
        with self._inside(name) as used:
            if used.execute(SCHEMA).fetchall() != self._schema:
                return False
            used.execute(EMPTY)
            return True

    def _inside(self, name: str) -> psycopg.Connection[TupleRow]:
        return psycopg.connect(with_name(self._superuser, name), autocommit=True)

    def _run(self, statement: LiteralString, *names: str) -> None:
        self._server.execute(SQL(statement).format(*map(Identifier, names)))

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"


def with_name(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return url.rsplit("/", 1)[0] + f"/{name}"
