"""A short drill on the real stack: files go in while every part is killed once; nothing is lost."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from citewell.client import Client, File, Patience, ProblemError, ServerUnreachable
from tests.support.files import write_files
from tests.support.stack import Stack, start_stack

FILES = 60
KILLED = ("parse", "embed", "valkey", "qdrant", "postgres", "gateway")
ENDS_WITHIN_S = 180.0
SETTINGS = {
    "CITEWELL_EMBEDDING_SPACE": "fake/bytes",
    "CITEWELL_EMBEDDING_BATCH_INPUTS": "16",
    "CITEWELL_INGEST_LEASE_S": "6",
    "CITEWELL_INGEST_SWEEP_S": "2",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with start_stack(tmp_path_factory.mktemp("drill"), SETTINGS) as stack:
        yield stack


@pytest.fixture
def seed() -> int:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    return seed


def kill_all(stack: Stack, seed: int) -> None:
    """Kill each part once, in an order and at moments of the seed's choosing."""
    chance = random.Random(seed)
    for part in chance.sample(KILLED, len(KILLED)):
        time.sleep(chance.uniform(0.5, 2.5))
        stack.kill(part)


def upload(client: Client, paths: list[Path], folder: Path) -> None:
    """Upload until it is said to be done; the same bytes under the same name are no new work."""
    end = time.monotonic() + ENDS_WITHIN_S
    while True:
        try:
            client.upload([File(str(path.relative_to(folder)), path) for path in paths])
        except (ServerUnreachable, ProblemError):
            assert time.monotonic() < end
            time.sleep(0.5)
        else:
            return


def wait_for_all(stack: Stack) -> Counter[str]:
    """Read the jobs' states from Postgres until none is open."""
    end = time.monotonic() + ENDS_WITHIN_S
    while True:
        states = read_states(stack)
        if states and not states.keys() & {"queued", "parsing", "embedding", "unknown"}:
            return states
        assert time.monotonic() < end, states
        time.sleep(0.5)


def read_states(stack: Stack) -> Counter[str]:
    try:
        rows = query(stack, "SELECT state FROM jobs")
    except psycopg.OperationalError:
        return Counter(unknown=1)
    return Counter(str(state) for (state,) in rows)


def query(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("SET ROLE citewell_worker")
        return connection.execute(statement.encode()).fetchall()


def test_every_file_is_searchable_after_every_part_was_killed(
    stack: Stack, seed: int, tmp_path: Path
) -> None:
    words = write_files(tmp_path, FILES, seed)
    killer = threading.Thread(target=kill_all, args=(stack, seed))
    client = Client(stack.ready["url"], key=stack.ready["api_key"], patience=Patience())
    with client:
        killer.start()
        paths = sorted(words)
        for first in range(0, FILES, 20):
            upload(client, paths[first : first + 20], tmp_path)
        killer.join()
        states = wait_for_all(stack)
        assert set(states) <= {"succeeded", "succeeded_with_warnings"}
        live = query(stack, "SELECT count(*) FROM documents WHERE live_version IS NOT NULL")
        assert live == [(FILES,)]
        twice = query(
            stack,
            "SELECT version_id, ordinal FROM chunks GROUP BY index_id, version_id, ordinal"
            " HAVING count(*) > 1",
        )
        assert twice == []
        for path, word in words.items():
            hits = client.search(word, mode="sparse", limit=1).hits
            assert [hit.filename for hit in hits] == [str(path.relative_to(tmp_path))]
