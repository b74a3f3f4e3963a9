"""Keeps files, puts them into a store and takes some away again, through OpenAI's own client.

Everything is asked for until it is answered, as a stubborn program does, and written down: what
became of a file is judged by the answers alone.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

import openai
from openai import OpenAI

from tests.faults.kit.holders import zipped
from tests.support.stack import Stack

GIVES_UP_S = 180.0
ANSWER_S = 15.0
PAUSE_S = 0.3
# Files of a batch at most.
BATCH = 4
# What is no answer: nobody there, no room, somebody else's turn, or trouble that passes.
NO_ANSWER = (
    openai.APIConnectionError,
    openai.InternalServerError,
    openai.RateLimitError,
    openai.ConflictError,
)
# What becomes of a file: it stays, is taken out of the store, or is deleted; the last of these
# before it was put in.
FATES = ("stays", "stays", "out", "deleted", "deleted", "deleted early")
# Of so many in a row one is an archive and two cannot be read.
ROW = 12

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Kept:
    """A file, its bytes, what is to become of it, and its id once it is kept.

    `word` stands in no other file but that of the same bytes; a file without one cannot be read.
    """

    name: str
    content: bytes
    word: str
    fate: str
    id: str = ""


def openai_of(stack: Stack) -> OpenAI:
    """Return a client that asks once; who insists is `insist`."""
    ready = stack.ready
    url = f"{ready['url']}/openai/v1"
    return OpenAI(base_url=url, api_key=ready["api_key"], max_retries=0, timeout=ANSWER_S)


def insist(ask: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer; errors of the asker's own are raised."""
    end = time.monotonic() + GIVES_UP_S
    while True:
        try:
            return ask()
        except NO_ANSWER:
            assert time.monotonic() < end
            time.sleep(PAUSE_S)


def names_with(client: OpenAI, store_id: str, word: str) -> set[str]:
    """Search a store for a word; return the files it is found in, an archive for its members."""
    found = insist(lambda: client.vector_stores.search(store_id, query=word, max_num_results=20))
    texts = ((hit.filename, piece.text) for hit in found.data for piece in hit.content)
    return {name.partition("/")[0] for name, text in texts if word in text}


def some_files(count: int, seed: int) -> list[Kept]:
    """Make `count` files: small texts, of which some are twice there, archives, and bad ones."""
    chance = random.Random(seed)
    return [_some_file(seed, number, chance.choice(FATES)) for number in range(count)]


def _some_file(seed: int, number: int, fate: str) -> Kept:
    name, place = f"kept-{seed}-{number:05}", number % ROW
    # The second of a row has the first one's bytes, under its own name.
    word = f"kept{seed}x{number - (place == 1)}word"
    text = f"# A note\n\nOf {word} nothing else is said.\n".encode()
    if place in (4, 8):
        return Kept(f"{name}.bin", b"\x7fELF" + number.to_bytes(4) * 99, "", fate)
    if place == 6:
        # What was in an archive stays when it goes.
        return Kept(f"{name}.zip", zipped({"inside.md": text}), word, "stays")
    return Kept(f"{name}.md", text, word, fate)


def keep_some(stack: Stack, store_id: str, files: Sequence[Kept], seed: int) -> None:
    """Do with files what is to become of them, some at a time."""
    chance, leaving = random.Random(seed), list[Kept]()
    with openai_of(stack) as client:
        for some in _runs(files, chance):
            for file in some:
                _keep(client, file)
            _put_in(client, store_id, [one for one in some if one.fate != "deleted early"])
            leaving += [one for one in some if one.fate != "stays"]
            # Some go while they are read, others later.
            chance.shuffle(leaving)
            for _ in range(len(leaving) // 2):
                _take_away(client, store_id, leaving.pop())
        for file in leaving:
            _take_away(client, store_id, file)


def _runs(files: Sequence[Kept], chance: random.Random) -> Iterator[Sequence[Kept]]:
    left = files
    while left:
        size = chance.randint(1, BATCH)
        yield left[:size]
        left = left[size:]


def _keep(client: OpenAI, file: Kept) -> None:
    # One key for all attempts: an answer that was lost is asked for again.
    key = {"Idempotency-Key": str(uuid4())}
    sent = (file.name, file.content)
    made = insist(lambda: client.files.create(file=sent, purpose="assistants", extra_headers=key))
    file.id = made.id


def _put_in(client: OpenAI, store_id: str, files: Sequence[Kept]) -> None:
    ids = [one.id for one in files]
    if len(ids) == 1:
        insist(lambda: client.vector_stores.files.create(store_id, file_id=ids[0]))
    elif ids:
        insist(lambda: client.vector_stores.file_batches.create(store_id, file_ids=ids))


def _take_away(client: OpenAI, store_id: str, file: Kept) -> None:
    # Where the answer to the first try was lost there is nothing left to delete.
    with suppress(openai.NotFoundError):
        if file.fate == "out":
            files = client.vector_stores.files
            insist(lambda: files.delete(file.id, vector_store_id=store_id))
        else:
            insist(lambda: client.files.delete(file.id))
    if file.word:
        assert file.name not in names_with(client, store_id, file.word)
