"""The nouns that cross rooms: elements, chunks, spaces, jobs' states, warnings and problems.

Plain values without behaviour: parsing makes them, the database keeps them, both services
answer with them.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from shared.errors import Who

# The largest number that a column of type integer holds.
MAX_INTEGER = 2**31 - 1


class Value(BaseModel):
    """A frozen value; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(Value):
    """A rectangle on a page, in PDF points (1/72 inch) from the page's top left corner."""

    page: int = Field(ge=1, le=MAX_INTEGER)
    x0: FiniteFloat
    y0: FiniteFloat
    x1: FiniteFloat
    y1: FiniteFloat


class ElementKind(StrEnum):
    """What an element is in its document."""

    TITLE = "title"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CODE = "code"
    IMAGE_TEXT = "image_text"


class Element(Value):
    """What a parser yields, in reading order.

    `page` counts from 1 (a physical page, slide, sheet or frame; 1 where the format has no pages).
    `level` is a title's depth, 1 for the outermost. A table's text has one row a line, cells joined
    by " | ", the header row first.
    """

    kind: ElementKind
    text: str
    page: int = Field(default=1, ge=1, le=MAX_INTEGER)
    level: int | None = Field(default=None, ge=1, le=9)
    box: Box | None = None


class Chunk(Value):
    """What is embedded: a run of text inside one section.

    `section` is the path of titles above it, outermost first. `tokens` counts `text` in the
    tokens of the index's space. `ordinal` counts from 0 in the version. `page_turns` says where in
    `text` a later page begins, as (character offset, page), so that a quote has its own page.
    """

    ordinal: int = Field(ge=0)
    text: str
    tokens: int = Field(ge=1)
    page_start: int = Field(ge=1)
    page_end: int = Field(ge=1)
    page_turns: tuple[tuple[int, int], ...] = ()
    section: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


class Stage(StrEnum):
    """Where in its work a job is."""

    RECEIVE = "receive"
    UNPACK = "unpack"
    PARSE = "parse"
    CHUNK = "chunk"
    EMBED = "embed"
    INDEX = "index"


class JobState(StrEnum):
    """A job's state; the last four are final unless the job is retried."""

    QUEUED = "queued"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_WARNINGS = "succeeded_with_warnings"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset(
    {
        JobState.SUCCEEDED,
        JobState.SUCCEEDED_WITH_WARNINGS,
        JobState.FAILED,
        JobState.CANCELLED,
    }
)

WarningCode = Literal[
    "page_without_text",
    "page_ocred",
    "page_unreadable",
    "truncated",
    "attachment_skipped",
    "encoding_guessed",
    "type_corrected",
    "superseded",
]


class JobWarning(Value):
    """Something a reader of the result should know: nothing is dropped in silence.

    It speaks of `page`, or of all pages from `page` to `last_page`.
    """

    code: WarningCode
    detail: str
    page: int | None = None
    last_page: int | None = None

    @property
    def pages(self) -> int:
        """How many pages it speaks of; 1 where a format has none."""
        return 1 if self.page is None or self.last_page is None else self.last_page - self.page + 1


class Completeness(Value):
    """What of a file was read: `pages` is the sum of the four after it.

    `text`: pages whose text is in the file. `ocred`: pages that are pictures, read by an OCR
    engine. `without_text`: blank, or pictures in which nothing was or could be read. `unreadable`:
    damaged, or too slow. `skipped`: attachments that are no documents. `truncated`: cuts.
    """

    pages: int = 0
    text: int = 0
    ocred: int = 0
    without_text: int = 0
    unreadable: int = 0
    skipped: int = 0
    truncated: int = 0


class WaitingFor(Value):
    """Why a job is not moving: behind others, for a provider, for a person, for a store.

    `position` counts what its tenant's queue takes before it and itself, up to 1,001. `until` is
    when it is tried next, ISO 8601. `code` and `detail` are those of the problem that it waits for
    the end of.
    """

    kind: Literal["queue", "provider", "operator", "store"]
    position: int | None = None
    until: str | None = None
    code: str | None = None
    detail: str | None = None


class Problem(Value):
    """An RFC 9457 problem: the same object on the wire, in a failed job and in the CLI."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    stage: Stage | None = None
    page: int | None = None
    retryable: bool
    who: Who
    hint: str


class EmbeddingSpace(Value):
    """A provider, model, dimensions and normalisation; vectors of two spaces never mix.

    `name` reads `provider/model` or `provider/model@dimensions`. `window` is the most tokens the
    model takes in one text, special tokens included. `query_prefix` is put before queries only.
    `batch_tokens` is the most tokens one call should hold. `usd_per_million_tokens` is the
    provider's list price; None where nobody knows it. `folder` has the model of an `onnx/…` space,
    whose `pooling` makes one vector of the tokens'.
    """

    name: str
    provider: str
    model: str
    dimensions: int = Field(ge=1)
    window: int = Field(ge=16)
    special_tokens: int = 0
    query_prefix: str = ""
    document_prefix: str = ""
    batch_tokens: int = Field(default=300_000, ge=512)
    tokenizer: Literal["cl100k", "bge", "bytes", "folder"]
    folder: Path | None = None
    pooling: Literal["cls", "mean", "last"] = "cls"
    usd_per_million_tokens: float | None = None


class ParseOptions(Value):
    """How a version is to be read; part of the version, so a retry may change it.

    `ocr`: whether pages that are pictures are read; null is as the service is set. `language`: what
    such pages are written in, `de` or `eng+deu`; null is as the service is set.
    """

    ocr: bool | None = None
    language: str | None = None
