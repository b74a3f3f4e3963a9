"""Elements as bytes: what a parser process sends home and a part's row keeps."""

import zlib

from pydantic import TypeAdapter, ValidationError

from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileCorrupt, FileTooLarge
from shared.models import Element

# What the child sends is not trusted: a part of 50 pages is some 200 KB, so this is generous.
UNPACKED_BYTES = 512 * 1024 * 1024

_ELEMENTS = TypeAdapter(list[Element])


def pack_elements(elements: list[Element]) -> bytes:
    """Return the elements as zlib-compressed JSON; the same elements give the same bytes."""
    return zlib.compress(_ELEMENTS.dump_json(elements, exclude_defaults=True), level=1)


def unpack_elements(packed: bytes, *, limit: int = UNPACKED_BYTES) -> list[Element]:
    """Return what was packed, its text scrubbed: a child that was taken over may send anything.

    Raises:
        FileTooLarge: it unpacks to more than `limit` bytes of JSON.
        FileCorrupt: it was not made by `pack_elements`.
    """
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, limit)
        if inflater.unconsumed_tail:
            raise FileTooLarge(f"The text of one part takes more than {limit} bytes.")
        return [_scrubbed(element) for element in _ELEMENTS.validate_json(content)]
    except (zlib.error, ValidationError) as error:
        raise FileCorrupt("The stored elements of a part cannot be read.") from error


def _scrubbed(element: Element) -> Element:
    text = scrub(element.text)
    return element if text is element.text else element.model_copy(update={"text": text})
