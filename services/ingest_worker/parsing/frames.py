"""What travels between a worker and its parser process: a JSON head, then bytes.

A frame is the head's length and the body's length (two unsigned 32-bit numbers, big endian), the
head, the body. Requests have no body; a reply's body is packed elements.
"""

import struct
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_core import from_json

from services.ingest_worker.parsing.base import Drawing, OcrOrder, Plan, Source
from services.ingest_worker.parsing.scrub import scrub_all
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

Verb = Literal["read", "parse", "unpack", "draw", "find_engine"]

LENGTHS = struct.Struct(">II")
# A head holds warnings at most, one a page of a part; the parent believes no more than this.
MAX_HEAD_BYTES = 16 * 1024 * 1024
MAX_BODY_BYTES = 256 * 1024 * 1024
# The most pages of one file that are believed; a number beyond would be millions of parts.
MAX_PAGES = 1 << 20

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
    `unpack` is answered by several frames: each brings a piece of a member as its body, the last
    one none. `find_engine` looks at no file: it tells which engine would read its pictures.
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


class MemberPiece(BaseModel):
    """Whose bytes a frame brings; with the `last` one may come why the member is `lost`."""

    name: str
    last: bool = False
    lost: str | None = None


class Reply(BaseModel):
    """What the child found; the elements, or a piece of a member, are the frame's body."""

    plan: Plan | None = None
    pages: int = Field(default=0, ge=0, le=MAX_PAGES)
    warnings: list[JobWarning] = []
    holds_files: bool = False
    failure: Failure | None = None
    engine: str | None = None
    member: MemberPiece | None = None

    @classmethod
    def trusted(cls, head: bytes) -> "Reply":
        """Read a head that a child sent: every text in it is scrubbed, whatever field it is in.

        Raises:
            ValueError: it is no reply, or claims more pages than a file can have.
        """
        reply = cls.model_validate(scrub_all(from_json(head)))
        if reply.plan is not None and not 0 <= reply.plan.pages <= MAX_PAGES:
            raise ValueError("The plan has more pages than a file can have.")
        return reply


def frame(head: BaseModel, body: bytes = b"") -> bytes:
    """Return a frame."""
    content = head.model_dump_json().encode()
    return LENGTHS.pack(len(content), len(body)) + content + body
