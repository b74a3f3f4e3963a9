"""Sends files as a stubborn loader does: again until there is an answer."""

import queue
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import uuid4

from citewell.client import Client, ClientError, File, Patience, UploadedFile
from tests.support.stack import Stack

AT_ONCE = 20
GIVES_UP_S = 180.0


def client_of(stack: Stack, key: str = "") -> Client:
    """Return a client; without a key it is the first tenant's."""
    ready = stack.ready
    return Client(ready["url"], key=key or ready["api_key"], patience=Patience(unreachable_s=60))


def upload(client: Client, files: Sequence[File], *, at_once: int = AT_ONCE) -> list[UploadedFile]:
    """Upload some files at once until all are said to be taken or refused."""
    done: list[UploadedFile] = []
    for first in range(0, len(files), at_once):
        done += _insist(client, files[first : first + at_once])
    return done


def _insist(client: Client, files: Sequence[File]) -> Sequence[UploadedFile]:
    # One key for all attempts: an answer that was lost is asked for again.
    key, end = str(uuid4()), time.monotonic() + GIVES_UP_S
    while True:
        try:
            return client.upload(files, idempotency_key=key).jobs
        except ClientError:
            assert time.monotonic() < end
            time.sleep(0.3)


class Loader:
    """A thread that uploads what it is given, so that faults strike in the middle of it."""

    def __init__(self, stack: Stack) -> None:
        self.uploaded: list[UploadedFile] = []
        self._stack = stack
        self._given: queue.SimpleQueue[Sequence[File] | None] = queue.SimpleQueue()
        self._todo = 0
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._load)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._given.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def give(self, files: Sequence[File]) -> None:
        """Upload these next."""
        self._todo += 1
        self._given.put(files)

    @property
    def idle(self) -> bool:
        """Whether all that was given is uploaded."""
        return self._todo == 0

    def _load(self) -> None:
        try:
            with client_of(self._stack) as client:
                while (files := self._given.get()) is not None:
                    self.uploaded += upload(client, files)
                    self._todo -= 1
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the thread
            self._error = error
