"""What travels between a worker and its parser process: a JSON head, then bytes.

A frame is the head's length and the body's length (two unsigned 32-bit numbers, big endian), the
head, the body. Requests have no body; a reply's body is packed elements.
"""

import struct
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from services.ingest_worker.parsing.base import Drawing, OcrOrder, Plan, Source
from shared.errors import (
    ArchiveUnsafe,
    CitewellError,
    FileCorrupt,
    FileEmpty,
    FileEncrypted,
    FileTooLarge,
    NoTextFound,
    NotFound,
    ParseOutOfMemory,
    ParserCrashed,
    ParseTimedOut,
    TypeUnsupported,
)
from shared.models import JobWarning, ParseOptions

Verb = Literal["read", "parse", "draw"]

LENGTHS = struct.Struct(">II")
# A head holds warnings at most, one a page of a part; the parent believes no more than this.
MAX_HEAD_BYTES = 16 * 1024 * 1024
MAX_BODY_BYTES = 256 * 1024 * 1024

_ERRORS: dict[str, type[CitewellError]] = {
    error.code: error
    for error in (
        ArchiveUnsafe,
        FileCorrupt,
        FileEmpty,
        FileEncrypted,
        FileTooLarge,
        NotFound,
        NoTextFound,
        ParseOutOfMemory,
        ParseTimedOut,
        ParserCrashed,
        TypeUnsupported,
    )
}


class Request(BaseModel):
    """What the child is to do with a file; `first` and `stop` are a half-open run of pages.

    `read` plans, and parses what has no more pages than `stop` allows; `draw` draws one page.
    """

    verb: Verb
    path: Path
    filename: str
    options: ParseOptions
    password: str | None
    ocr: OcrOrder
    drawing: Drawing | None = None
    first: int | None = None
    stop: int | None = None

    @classmethod
    def of(cls, verb: Verb, source: Source, pages: range | None) -> "Request":
        """Put a call into words."""
        return cls(
            verb=verb,
            path=source.path,
            filename=source.filename,
            options=source.options,
            password=source.password,
            ocr=source.ocr,
            first=pages.start if pages else None,
            stop=pages.stop if pages else None,
        )

    @property
    def source(self) -> Source:
        """The file that is asked about."""
        return Source(self.path, self.filename, self.options, self.password, self.ocr)

    @property
    def pages(self) -> range | None:
        """The run of pages, None for all."""
        return None if self.first is None or self.stop is None else range(self.first, self.stop)


class Failure(BaseModel):
    """A typed error on its way home."""

    code: str
    detail: str
    page: int | None = None

    def error(self) -> CitewellError:
        """Return the error as its own class."""
        return _ERRORS.get(self.code, FileCorrupt)(self.detail, page=self.page)


class Reply(BaseModel):
    """What the child found; the elements are the frame's body."""

    plan: Plan | None = None
    pages: int = 0
    warnings: list[JobWarning] = []
    failure: Failure | None = None


def frame(head: BaseModel, body: bytes = b"") -> bytes:
    """Return a frame."""
    content = head.model_dump_json().encode()
    return LENGTHS.pack(len(content), len(body)) + content + body
