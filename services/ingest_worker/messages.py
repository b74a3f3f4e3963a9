"""Messages to the workers, and the port that carries them. A message holds ids only.

A message may be lost or come twice: nothing depends on it, the backlog is in Postgres.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PARSE_QUEUE = "parse"
EMBED_QUEUE = "embed"
CLOCK_QUEUE = "clock"

PARSE_PARTS = "parse_parts"
CHUNK_JOB = "chunk_job"
RECUT_DOCUMENTS = "recut_documents"
EMBED_CHUNKS = "embed_chunks"
CLEAN_UP = "clean_up"
WATCH_QUALITY = "watch_quality"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `label` is what an operator reads in Flower.

    `once` means that one such message waiting in the queue is enough.
    """

    task: str
    queue: str
    arguments: Mapping[str, str | list[str]]
    label: str
    once: bool = False


class Publisher(Protocol):
    """Sends messages without ever holding up the caller."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Send soon; a message that cannot be sent is dropped, to be published again later."""
        ...

    def close(self) -> None:
        """Stop sending."""
        ...


class MemoryPublisher:
    """The double: keeps what it was given."""

    def __init__(self) -> None:
        """Start empty."""
        self.sent: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> None:
        """Keep the messages."""
        self.sent.extend(messages)

    def close(self) -> None:
        """Do nothing."""
