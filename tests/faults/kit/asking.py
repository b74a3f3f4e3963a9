"""Asks without a pause while parts fail, and writes down each answer: what it was, when, how late.

with asking(field.stack) as asked:
    …stop something…
asked.answers
"""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.stack import Stack

ASKERS = 3
# Long beyond any answer: one that is not told by then never will be.
GIVES_UP_S = 30.0
PAUSE_S = 0.02
# Every so many questions one is asked again.
AGAIN_EVERY = 4


@dataclass(frozen=True, slots=True)
class Told:
    """One answer; status 0 where there was none. Times are of our monotonic clock, seconds."""

    began: float
    ended: float
    status: int
    code: str = ""
    degraded: tuple[str, ...] = ()
    retry_after: str | None = None
    found: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def whole(self) -> bool:
        """Whether it is an answer that wants for nothing."""
        return self.status == httpx.codes.OK and self.found and not self.degraded


@dataclass(slots=True)
class Asked:
    """All answers so far."""

    answers: list[Told] = field(default_factory=list)

    def since(self, moment: float) -> list[Told]:
        """Return the answers to what was asked after a moment, in the order they came."""
        return [one for one in self.answers if one.began >= moment]

    def wait_whole(self, since: float, *, within_s: float, askers: int = ASKERS) -> float:
        """Wait until every asker got whole answers again; return the seconds since then."""
        while not all(one.whole for one in self._last(since, askers)):
            assert time.monotonic() - since < within_s, self.answers[-10:]
            time.sleep(PAUSE_S)
        return self._last(since, askers)[0].ended - since

    def _last(self, since: float, askers: int) -> list[Told]:
        late = self.since(since)
        return late[-2 * askers :] if len(late) >= 2 * askers else [Told(0, 0, 0)]


@contextmanager
def asking(stack: Stack, words: Sequence[str]) -> Iterator[Asked]:
    """Search and ask for these words from some threads, until the block ends."""
    asked, stop = Asked(), threading.Event()
    ready = stack.ready
    numbers = itertools.count()

    def ask() -> None:
        headers = {"Authorization": f"Bearer {ready['api_key']}"}
        with httpx.Client(base_url=ready["url"], headers=headers, timeout=GIVES_UP_S) as http:
            while not stop.wait(PAUSE_S):
                asked.answers.append(_ask(http, words, next(numbers)))

    threads = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(http: httpx.Client, words: Sequence[str], number: int) -> Told:
    word = words[number % len(words)]
    text = word if number % AGAIN_EVERY == 0 else f"{word} {number}"
    # No provider writes answers here: what is looked at is how they are found.
    path, body = (
        ("/v1/query", {"question": text, "model": "extractive", "score_threshold": 0})
        if number % 2
        else ("/v1/search", {"query": text})
    )
    began = time.monotonic()
    try:
        response = http.post(path, json=body)
    except httpx.TransportError as error:
        return Told(began, time.monotonic(), 0, repr(error))
    said = response.json()
    return Told(
        began,
        time.monotonic(),
        response.status_code,
        said.get("code", ""),
        tuple(said.get("degraded", ())),
        response.headers.get("Retry-After"),
        bool(said.get("hits") or said.get("sources")),
    )
