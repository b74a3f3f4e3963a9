"""A collection moves to another space under query load, uploads, deletions and kill -9."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from citewell.client import Client, File
from citewell.client.models import SearchMode
from citewell.client.reindex_models import Reindex
from tests.faults.kit import truth
from tests.faults.kit.corpus import small_texts
from tests.faults.kit.ground import BATCH_INPUTS, SLOTS, Ground
from tests.faults.kit.load import client_of
from tests.support.stack import Stack

NEW_SPACE = "openai/another-drill@64"
SEARCHERS = 3
MODES: tuple[SearchMode, ...] = ("sparse", "hybrid")
STRUCK = ("embed", "parse", "embed", "gateway", "embed")
EVERY_S = 3.0
WITHIN_S = 900.0


@dataclass(slots=True)
class Moving:
    """The collection that moves; every file has a word that no other has."""

    stack: Stack
    name: str
    files: list[File]
    folder: Path
    seen: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def word(self, number: int) -> str:
        return f"{self.name}{number}word"

    def load(self, client: Client, files: list[File]) -> list[UUID]:
        """Upload files and return their documents, all live."""
        documents: list[UUID] = []
        for first in range(0, len(files), 100):
            for one in client.upload(files[first : first + 100], collection=self.name).jobs:
                assert one.document_id is not None
                documents.append(one.document_id)
        truth.wait_until_ended(self.stack, within_s=WITHIN_S)
        return documents

    @contextmanager
    def searched(self, seed: int) -> Iterator[None]:
        """Search for documents that are there all the time, until the end of the block."""
        over, errors = threading.Event(), list[Exception]()

        def search(number: int) -> None:
            try:
                self._search(random.Random(seed + number), over)
            except Exception as error:  # noqa: BLE001 - told to whoever waits for the threads
                errors.append(error)

        threads = [threading.Thread(target=search, args=(n,)) for n in range(SEARCHERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]

    def _search(self, chance: random.Random, over: threading.Event) -> None:
        with client_of(self.stack) as client:
            while not over.is_set():
                number = chance.randrange(len(self.files))
                mode, began = chance.choice(MODES), time.monotonic()
                found = client.search(self.word(number), collection=self.name, mode=mode)
                names = [hit.filename for hit in found.hits]
                # The double's vectors are coarse: only by words its document is always the first.
                first = names[:1] if mode == "sparse" else names
                assert self.files[number].name in first, (mode, self.word(number), names)
                assert not found.degraded, found
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.seen[mode] += 1

    def until(self, client: Client, wanted: Callable[[Reindex], bool]) -> Reindex:
        """Look until the reindex is as wanted."""
        end = time.monotonic() + WITHIN_S
        while not wanted(found := client.reindex_state(self.name)):
            assert time.monotonic() < end, found
            time.sleep(0.3)
        return found


def move(ground: Ground, folder: Path, seed: int, count: int) -> Moving:
    """Do it all; see that every query found what it looked for."""
    name = f"moving{seed}x{count}"
    files = small_texts(folder / "texts", count, prefix=name)
    moving = Moving(ground.stack, name, files, folder)
    with client_of(ground.stack) as client:
        client.put_collection(name)
        moving.load(client, files)
        paid = ground.provider.counts().inputs
        cost = client.reindex(name, space=NEW_SPACE, dry_run=True).cost
        assert (cost.documents, cost.chunks) == (count, count)
        with moving.searched(seed):
            client.reindex(name, space=NEW_SPACE)
            _disturb(moving, client)
            ready = moving.until(client, lambda found: found.state != "filling")
            assert (ready.state, ready.missing) == ("ready", 0), ready
            _switch_and_back(moving, client)
            client.finish_reindex(name)
            done = moving.until(client, lambda found: found.state == "done")
        # Beside the fill: a batch for each slot and kill, the few new ones twice, the questions.
        extra = ground.provider.counts().inputs - paid - count
        assert extra <= SLOTS * BATCH_INPUTS * len(STRUCK) + 80 + moving.seen["hybrid"]
        truth.check_doctor(client)
    assert done.finished_at is not None
    return moving


def _disturb(moving: Moving, client: Client) -> None:
    """Kill, load and delete while it fills."""
    for number, part in enumerate(STRUCK):
        moving.stack.kill(part)
        late = small_texts(moving.folder / "late", 4, prefix=f"{moving.name}late{number}")
        kept, *gone = moving.load(client, late)
        for document in gone:
            client.delete_document(document)
        assert client.document(kept).live_version == 1
        time.sleep(EVERY_S)


def _switch_and_back(moving: Moving, client: Client) -> None:
    for _ in range(3):
        assert client.switch_index(moving.name).answers == "new"
        time.sleep(1)
        assert client.roll_back_index(moving.name).answers == "old"
        time.sleep(1)
    comparison = client.compare_indexes(moving.name, [moving.word(0)], canaries=10)
    assert comparison.active.recall == comparison.other.recall == 1.0
    assert client.switch_index(moving.name).answers == "new"


def check(ground: Ground, folder: Path, seed: int, count: int) -> None:
    began = time.monotonic()
    moving = move(ground, folder, seed, count)
    took = time.monotonic() - began
    print(f"{count} documents: {took:.0f} s, queries {dict(moving.seen)}, {moving.slowest_s:.1f} s")
    kept = len(STRUCK)
    rows = truth.query(
        ground.stack,
        "SELECT i.id, i.space, (SELECT count(*) FROM chunks WHERE index_id = i.id) AS n FROM"
        " indexes i JOIN collections c ON c.id = i.collection_id WHERE c.name = %(name)s",
        name=moving.name,
    )
    assert [(row["space"], row["n"]) for row in rows] == [(NEW_SPACE, count + kept)]
    truth.check_rows(ground.stack)
    truth.check_points(ground.stack)


def test_a_collection_moves_under_load_and_kills(field: Ground, seed: int, tmp_path: Path) -> None:
    check(field, tmp_path, seed, 300)


@pytest.mark.drill
def test_five_thousand_documents_move_under_load_and_kills(
    field: Ground, seed: int, tmp_path: Path
) -> None:
    check(field, tmp_path, seed, 5000)
