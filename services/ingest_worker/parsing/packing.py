"""Elements as bytes: what a parser process sends home and a part's row keeps.

A table of a million rows is read back a run at a time: whoever cuts it never holds all of it.
"""

import zlib
from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileCorrupt, FileTooLarge
from shared.models import Element

# What the child sends is not trusted: a part of 50 pages is some 200 KB, so this is generous.
UNPACKED_BYTES = 512 * 1024 * 1024
# Elements of one line of JSON, and how many bytes are inflated at a time.
RUN = 250
PIECE_BYTES = 1024 * 1024

_ELEMENTS = TypeAdapter(list[Element])


def pack_elements(elements: list[Element]) -> bytes:
    """Return the elements as compressed lines of JSON; the same elements give the same bytes."""
    deflater = zlib.compressobj(level=1)
    packed = [
        deflater.compress(
            _ELEMENTS.dump_json(elements[at : at + RUN], exclude_defaults=True) + b"\n"
        )
        for at in range(0, len(elements), RUN)
    ]
    return b"".join([*packed, deflater.flush()])


def unpack_elements(packed: bytes, *, limit: int = UNPACKED_BYTES) -> list[Element]:
    """Return what was packed; raises what `stream_elements` does."""
    return list(stream_elements(packed, limit=limit))


def stream_elements(packed: bytes, *, limit: int = UNPACKED_BYTES) -> Iterator[Element]:
    """Yield what was packed, its text scrubbed: a child that was taken over may send anything.

    Raises:
        FileTooLarge: it unpacks to more than `limit` bytes of JSON.
        FileCorrupt: it was not made by `pack_elements`.
    """
    try:
        for line in _lines(_inflated(packed, limit)):
            yield from map(_scrubbed, _ELEMENTS.validate_json(line))
    except (zlib.error, ValidationError) as error:
        raise FileCorrupt("The stored elements of a part cannot be read.") from error


def _inflated(packed: bytes, limit: int) -> Iterator[bytes]:
    inflater, left, size = zlib.decompressobj(), packed, 0
    while not inflater.eof:
        piece = inflater.decompress(left, PIECE_BYTES)
        left = inflater.unconsumed_tail
        size += len(piece)
        if size > limit:
            raise FileTooLarge(f"The text of one part takes more than {limit} bytes.")
        if not (piece or left or inflater.eof):
            raise zlib.error("It ends too early.")
        yield piece


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield whole lines; JSON has no line break inside."""
    begun: list[bytes] = []
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for line in ended:
            yield b"".join([*begun, line])
            begun = []
        begun.append(rest)
    if last := b"".join(begun):
        yield last


def _scrubbed(element: Element) -> Element:
    text = scrub(element.text)
    return element if text is element.text else element.model_copy(update={"text": text})
