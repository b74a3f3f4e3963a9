"""The parser process: reads requests from standard input, answers on standard output.

Started by `process.ParserProcess`, never by hand. It holds no secret, is shut in before it reads
its first file, and dies with its parent: at the end of input, or by the kernel's hand when the
parent is gone.
"""

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from services.ingest_worker.lifeline import die_with_parent
from services.ingest_worker.parsing.base import Member, OcrOrder
from services.ingest_worker.parsing.frames import (
    LENGTHS,
    Failure,
    MemberPiece,
    Reply,
    Request,
    frame,
)
from services.ingest_worker.parsing.ocr.engines import find_engine
from services.ingest_worker.parsing.packing import pack_elements
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.sandbox.confine import Cell, IsolationMissing, confine
from services.ingest_worker.parsing.warned import first_of
from shared.errors import CitewellError, FileCorrupt, ParseOutOfMemory
from shared.models import JobWarning

# The exit code when the parent is gone.
ORPHANED = 1


def main(cell: Cell) -> None:
    """Answer requests until there are no more."""
    _die_with(cell.parent)
    requests, replies = _own_pipes()
    parsers = Parsers()
    _shut_in(cell)
    while request := read_request(requests):
        for reply in answers(parsers, request):
            replies.write(reply)
            replies.flush()


def read_request(stream: BinaryIO) -> Request | None:
    """Return the next request, None at the end of input."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, _ = LENGTHS.unpack(lengths)
    return Request.model_validate_json(stream.read(head))


def answers(parsers: Parsers, request: Request) -> Iterator[bytes]:
    """Yield the frames that answer a request."""
    try:
        if request.verb == "unpack":
            yield from _unpacked(parsers, request)
        else:
            yield _done(parsers, request)
    except MemoryError:
        yield _failed(ParseOutOfMemory())
    except CitewellError as error:
        yield _failed(error)


def _failed(error: CitewellError) -> bytes:
    return frame(Reply(failure=Failure(code=error.code, detail=error.detail, page=error.page)))


def _unpacked(parsers: Parsers, request: Request) -> Iterator[bytes]:
    warnings: list[JobWarning] = []
    for one in parsers.unpack(request.source, request.pages):
        if isinstance(one, JobWarning):
            warnings.append(one)
        else:
            yield from _member(one)
    yield frame(Reply(warnings=first_of(warnings)))


def _member(member: Member) -> Iterator[bytes]:
    lost = None
    try:
        for piece in member.pieces:
            yield frame(Reply(member=MemberPiece(name=member.name)), piece)
    except FileCorrupt as error:
        lost = error.detail
    yield frame(Reply(member=MemberPiece(name=member.name, last=True, lost=lost)))


def _done(parsers: Parsers, request: Request) -> bytes:
    reply, pages = Reply(), request.pages
    if request.verb == "find_engine":
        return frame(Reply(engine=_engine(request.ocr)))
    if request.verb == "draw" and request.drawing is not None:
        return frame(reply, parsers.draw(request.source, request.drawing))
    if request.verb == "read":
        plan = parsers.plan(request.source)
        reply = Reply(plan=plan)
        if plan.pages not in (pages or ()) or plan.pages > (plan.part_pages or plan.pages):
            return frame(reply)
        pages = range(1, plan.pages + 1)
    parsed = parsers.parse(request.source, pages)
    reply.pages, reply.warnings = parsed.pages, parsed.warnings
    reply.holds_files = parsed.holds_files
    return frame(reply, pack_elements(parsed.elements))


def _engine(order: OcrOrder) -> str | None:
    engine = find_engine(order.engine, order.programs)
    return engine.name if engine else None


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    die_with_parent()
    if os.getppid() != parent:  # It was gone before the line above.
        sys.exit(ORPHANED)


def _shut_in(cell: Cell) -> None:
    try:
        confine(cell)
    except IsolationMissing:
        sys.exit(os.EX_CONFIG)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes for the protocol: what a library prints or reads goes nowhere."""
    requests, replies = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123 - a device, not a path
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


if __name__ == "__main__":
    main(Cell.model_validate_json(sys.argv[1]))
