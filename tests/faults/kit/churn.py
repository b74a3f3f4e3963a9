"""Documents that change and go while they are searched; our own clock judges every answer."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from citewell.client import Client, File, Hit
from citewell.client.models import SearchMode
from tests.faults.kit.corpus import sections
from tests.faults.kit.load import client_of, upload
from tests.support.stack import Stack

OLD, NEW = "oldquix", "newquix"
CHUNKS = 3
MODES: tuple[SearchMode, ...] = ("sparse", "dense", "hybrid")
LIVE_WITHIN_S = 120.0
NEVER = float("inf")


@dataclass(slots=True)
class Watched:
    """A document with a word of its own.

    Attributes:
        goes: Whether it is deleted; else it gets a new version.
        asked: When (on our clock) the deletion was sent, or the new version.
        told: When the deletion was answered, or the new version was said to be live.
    """

    name: str
    word: str
    goes: bool
    document_id: UUID | None = None
    asked: float = NEVER
    told: float = NEVER


class Churn:
    """Changes and deletes documents in a thread of its own, while others search."""

    def __init__(self, stack: Stack, folder: Path, changed: int, deleted: int) -> None:
        numbers = range(changed + deleted)
        self.documents = [
            Watched(f"watched-{n:05}.md", f"word{n:05}", goes=n >= changed) for n in numbers
        ]
        self._stack = stack
        self._folder = folder
        self._error: Exception | None = None

    def first_versions(self) -> None:
        """Ingest every document's first version and wait until all are live."""
        with client_of(self._stack) as client:
            done = upload(client, [self._file(one, OLD) for one in self.documents], at_once=100)
            for document, one in zip(self.documents, done, strict=True):
                assert one.job_id
                document.document_id = client.job(one.job_id).document_id
                self._wait_live(client, one.job_id)

    @contextmanager
    def going_on(self, chance: random.Random) -> Iterator[threading.Thread]:
        """Change and delete in the background; what went wrong there is raised here."""
        order = chance.sample(self.documents, len(self.documents))
        thread = threading.Thread(target=self._turn_all, args=(order,))
        thread.start()
        try:
            yield thread
        finally:
            thread.join()
        if self._error is not None:
            raise self._error

    def _turn_all(self, order: Sequence[Watched]) -> None:
        try:
            with client_of(self._stack) as client:
                for document in order:
                    document.asked = time.monotonic()
                    if document.goes:
                        assert document.document_id
                        client.delete_document(document.document_id)
                    else:
                        [one] = upload(client, [self._file(document, NEW)])
                        assert one.job_id
                        self._wait_live(client, one.job_id)
                    document.told = time.monotonic()
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the thread
            self._error = error

    def _wait_live(self, client: Client, job_id: UUID) -> None:
        end = time.monotonic() + LIVE_WITHIN_S
        while not (job := client.job(job_id, wait_s=10)).ended:
            assert time.monotonic() < end, job
        assert job.state == "succeeded", job

    def _file(self, document: Watched, marker: str) -> File:
        path = self._folder / f"{marker}-{document.name}"
        path.write_text(sections(document.word, marker, CHUNKS))
        return File(document.name, path)


def search_and_judge(
    stack: Stack, documents: Sequence[Watched], seed: int, count: int
) -> Counter[str]:
    """Search so often for a document at random; return what was seen how often."""
    chance, seen = random.Random(seed), Counter[str]()
    with client_of(stack) as client:
        for _ in range(count):
            document = chance.choice(documents)
            began = time.monotonic()
            result = client.search(
                document.word,
                mode=chance.choice(MODES),
                filters={"filename": document.name},
                limit=20,
            )
            assert not result.degraded, result
            seen[judge(document, result.hits, began, time.monotonic())] += 1
    return seen


def judge(document: Watched, hits: Sequence[Hit], began: float, ended: float) -> str:
    """Tell which version an answer showed; fail if one that began then must not have shown it."""
    told = document, [(hit.ordinal, hit.text) for hit in hits], began, ended
    markers = {marker for hit in hits for marker in (OLD, NEW) if marker in hit.text}
    assert all(document.word in hit.text for hit in hits), told
    assert len(markers) <= 1, told
    if not hits:
        assert document.goes, told
        assert ended >= document.asked, told
        return "deleted"
    assert sorted(hit.ordinal for hit in hits) == list(range(CHUNKS)), told
    if markers == {NEW}:
        assert ended >= document.asked, told
        return NEW
    assert began < document.told, told
    return OLD
