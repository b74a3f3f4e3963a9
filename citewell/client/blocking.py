"""The client for ordinary code: the asynchronous one, run on a thread of its own.

There is one implementation. Each method here is `AsyncClient`'s, waited for; the thread's event
loop makes it work inside a running loop too (a notebook), and from several threads at once.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import ExitStack, suppress
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack
from uuid import UUID

from anyio.from_thread import start_blocking_portal

from citewell.client.answer_models import Answer
from citewell.client.asking import Wish
from citewell.client.asynchronous import AsyncClient
from citewell.client.models import BatchEvent
from citewell.client.retries import Patience

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_Awaited = Callable[Concatenate[AsyncClient, Arguments], Coroutine[Any, Any, Result]]


def _waited(
    method: _Awaited[Arguments, Result],
) -> Callable[Concatenate["Client", Arguments], Result]:
    @wraps(method)
    def call(client: "Client", /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return client.wait_for(partial(method, client.asynchronous, *args, **kwargs))

    return call


async def _next(events: AsyncGenerator[Result, None]) -> Result | None:
    return await anext(events, None)


async def _close(events: AsyncGenerator[Any, None]) -> None:
    # A reading that was interrupted is still ending, and closes them itself.
    with suppress(RuntimeError):
        await events.aclose()


class Client:
    """Speaks to one server with one key; use it as a context manager, or call `close`."""

    def __init__(self, url: str, *, key: str = "", patience: Patience | None = None) -> None:
        """Take the server's address (its gateway, or one service) and an API key or JWT."""
        self.asynchronous = AsyncClient(url, key=key, patience=patience)
        self._open = ExitStack()
        self._portal = self._open.enter_context(start_blocking_portal())
        self._open.callback(self._portal.call, self.asynchronous.aclose)

    @property
    def url(self) -> str:
        """The server's address."""
        return self.asynchronous.url

    def __enter__(self) -> Self:
        """Return the client itself; nothing is connected before the first call."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections and end the thread; after an error also what is under way."""
        self._open.__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the connections and end the thread."""
        self._open.close()

    def wait_for(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run a coroutine function on the client's thread and return what it returns."""
        result: Result = self._portal.call(work)
        return result

    def batch_events(
        self, batch_id: UUID | str, *, after: str | None = None
    ) -> Generator[BatchEvent, None, None]:
        """Follow a batch, as `AsyncClient.batch_events` does; close it or read it to its end."""
        return self._read(self.asynchronous.batch_events(batch_id, after=after))

    def stream_answer(
        self, question: str, **wish: Unpack[Wish]
    ) -> Generator[str | Answer, None, None]:
        """Read an answer as it is written, as `AsyncClient.stream_answer` does."""
        return self._read(self.asynchronous.stream_answer(question, **wish))

    def _read(self, events: AsyncGenerator[Result, None]) -> Generator[Result, None, None]:
        try:
            while (event := self._wait_for_next(events)) is not None:
                yield event
        finally:
            self.wait_for(partial(_close, events))

    def _wait_for_next(self, events: AsyncGenerator[Result, None]) -> Result | None:
        reading = self._portal.start_task_soon(_next, events)
        try:
            return reading.result()
        except KeyboardInterrupt:
            reading.cancel()
            raise

    collections = _waited(AsyncClient.collections)
    collection = _waited(AsyncClient.collection)
    put_collection = _waited(AsyncClient.put_collection)
    delete_collection = _waited(AsyncClient.delete_collection)
    upload = _waited(AsyncClient.upload)
    job = _waited(AsyncClient.job)
    jobs = _waited(AsyncClient.jobs)
    all_jobs = _waited(AsyncClient.all_jobs)
    cancel_job = _waited(AsyncClient.cancel_job)
    retry_job = _waited(AsyncClient.retry_job)
    retry_jobs = _waited(AsyncClient.retry_jobs)
    batch = _waited(AsyncClient.batch)
    batches = _waited(AsyncClient.batches)
    cancel_batch = _waited(AsyncClient.cancel_batch)
    retry_batch = _waited(AsyncClient.retry_batch)
    pause_batch = _waited(AsyncClient.pause_batch)
    resume_batch = _waited(AsyncClient.resume_batch)
    wait_batch = _waited(AsyncClient.wait_batch)
    documents = _waited(AsyncClient.documents)
    document = _waited(AsyncClient.document)
    change_document = _waited(AsyncClient.change_document)
    delete_document = _waited(AsyncClient.delete_document)
    versions = _waited(AsyncClient.versions)
    restore_version = _waited(AsyncClient.restore_version)
    download = _waited(AsyncClient.download)
    page_picture = _waited(AsyncClient.page_picture)
    chunks = _waited(AsyncClient.chunks)
    chunk = _waited(AsyncClient.chunk)
    search = _waited(AsyncClient.search)
    ask = _waited(AsyncClient.ask)
    give_feedback = _waited(AsyncClient.give_feedback)
    usage = _waited(AsyncClient.usage)
    doctor = _waited(AsyncClient.doctor)
    rebuild = _waited(AsyncClient.rebuild)
    rebuilds = _waited(AsyncClient.rebuilds)
    reindex = _waited(AsyncClient.reindex)
    reindex_state = _waited(AsyncClient.reindex_state)
    compare_indexes = _waited(AsyncClient.compare_indexes)
    switch_index = _waited(AsyncClient.switch_index)
    roll_back_index = _waited(AsyncClient.roll_back_index)
    finish_reindex = _waited(AsyncClient.finish_reindex)
    readiness = _waited(AsyncClient.readiness)
    quality = _waited(AsyncClient.quality)
    run_quality = _waited(AsyncClient.run_quality)
    canaries = _waited(AsyncClient.canaries)
    put_canaries = _waited(AsyncClient.put_canaries)
