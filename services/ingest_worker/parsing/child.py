"""The parser process: reads requests from standard input, answers on standard output.

Started by `process.ParserProcess`, never by hand. It holds no secret, writes nothing, and dies
with its parent: at the end of input, or by the kernel's hand when the parent is gone.
"""

import os
import resource
import sys
from typing import BinaryIO

from services.ingest_worker.lifeline import die_with_parent
from services.ingest_worker.parsing.frames import LENGTHS, Failure, Reply, Request, frame
from services.ingest_worker.parsing.packing import pack_elements
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import CitewellError, ParseOutOfMemory


def main(memory_bytes: int, parent: int) -> None:
    """Answer requests until there are no more."""
    _die_with(parent)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, replies = _own_pipes()
    parsers = Parsers()
    while request := read_request(requests):
        replies.write(answer(parsers, request))
        replies.flush()


def read_request(stream: BinaryIO) -> Request | None:
    """Return the next request, None at the end of input."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, _ = LENGTHS.unpack(lengths)
    return Request.model_validate_json(stream.read(head))


def answer(parsers: Parsers, request: Request) -> bytes:
    """Return the frame that answers a request."""
    try:
        return _done(parsers, request)
    except MemoryError:
        error: CitewellError = ParseOutOfMemory()
    except CitewellError as raised:
        error = raised
    return frame(Reply(failure=Failure(code=error.code, detail=error.detail, page=error.page)))


def _done(parsers: Parsers, request: Request) -> bytes:
    reply, pages = Reply(), request.pages
    if request.drawing is not None:
        return frame(reply, parsers.draw(request.source, request.drawing))
    if request.verb == "read":
        plan = parsers.plan(request.source)
        reply = Reply(plan=plan)
        if plan.pages not in (pages or ()) or plan.pages > (plan.part_pages or plan.pages):
            return frame(reply)
        pages = range(1, plan.pages + 1)
    parsed = parsers.parse(request.source, pages)
    reply.pages, reply.warnings = parsed.pages, parsed.warnings
    return frame(reply, pack_elements(parsed.elements))


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    die_with_parent()
    if os.getppid() != parent:  # It was gone before the line above.
        sys.exit(1)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes for the protocol: what a library prints or reads goes nowhere."""
    requests, replies = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123 - a device, not a path
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
