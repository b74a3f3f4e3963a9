"""A multipart/form-data body as events, parsed as it arrives; nothing is kept but one header.

Fields are RFC 7578's. Names are taken as they were sent: a slash or backslash is data.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from shared.errors import InvalidInput

# A file name may be long; every other header of a part is short.
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 16

_BOUNDARY = re.compile(r'boundary="?(?P<boundary>[^";]{1,200})"?', re.IGNORECASE)
# A quoted value may hold `\"` and `\\`; an unquoted one ends at the next semicolon.
_PARAMETER = re.compile(
    rb';\s*(?P<name>[A-Za-z*]+)\s*=\s*(?:"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<bare>[^;\s]*))'
)
_ESCAPED = re.compile(rb'\\(["\\])')


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part's headers are complete; `filename` is None for a plain field."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """Some more bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part that began last is complete."""


Event = PartBegins | PartData | PartEnds


class MultipartEvents:
    """Turns the pieces of a body into events, in order."""

    def __init__(self, content_type: str) -> None:
        """Read the boundary from the request's `Content-Type`.

        Raises:
            InvalidInput: it is not multipart/form-data, or names no boundary.
        """
        found = _BOUNDARY.search(content_type)
        if not content_type.lower().startswith("multipart/form-data") or found is None:
            raise InvalidInput("The body must be multipart/form-data with a boundary.")
        self.complete = False
        self._events: list[Event] = []
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._parser = MultipartParser(
            found["boundary"].encode("latin-1", "replace"),
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": lambda: self._events.append(PartEnds()),
                "on_end": self._on_end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    def feed(self, data: bytes) -> list[Event]:
        """Parse the next piece of the body and return what it completed.

        Raises:
            InvalidInput: the body is not well-formed.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidInput(f"The multipart body is malformed: {error}.") from error
        events, self._events = self._events, []
        return events

    def _on_part_begin(self) -> None:
        self._disposition = b""

    def _on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        name.clear()
        value.clear()

    def _on_headers_finished(self) -> None:
        given = disposition_parameters(self._disposition)
        if "name" not in given:
            raise InvalidInput("A part of the body has no `Content-Disposition` with a name.")
        self._events.append(PartBegins(given["name"], given.get("filename")))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _on_end(self) -> None:
        self.complete = True


def disposition_parameters(header: bytes) -> dict[str, str]:
    """Return the parameters of a `Content-Disposition`, decoded, without guessing at paths.

    `filename*` (RFC 8187), which RFC 7578 forbids and some clients send, wins over `filename`.

    Example:
        `form-data; name="file"; filename="a/b.txt"` gives `{"name": "file", "filename": "a/b.txt"}`
    """
    given: dict[str, str] = {}
    for found in _PARAMETER.finditer(header):
        quoted = found["quoted"]
        raw = found["bare"] if quoted is None else _ESCAPED.sub(rb"\1", quoted)
        given[found["name"].decode("ascii").lower()] = _text(raw)
    extended = given.pop("filename*", "")
    if extended.lower().startswith("utf-8'") and extended.count("'") >= 2:  # noqa: PLR2004
        given["filename"] = _text(unquote_to_bytes(extended.split("'", 2)[2]))
    return given


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
