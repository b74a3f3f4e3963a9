"""JSON and lines of JSON: each value with the keys that lead to it, streamed.

The format is RFC 8259; a file that is not quite JSON is read as the text it is.
"""

from collections.abc import Iterable, Iterator

import ijson  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import JSON
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.plain import read_text
from services.ingest_worker.parsing.text.streams import TextFile, open_text
from shared.models import Element, ElementKind

# Records share an element up to this size, and one is cut after this.
RECORD_CHARS = 1200
MAX_CHARS = 4000
# Deeper keys are left out of a value's name: no path of a real document is as long.
MAX_PATH = 32
# What leads to a value stands before each: of long ways this much, and the rest once, by itself.
MAX_PATH_CHARS = 300

Event = tuple[str, object]


class JsonParser:
    """Reads JSON of any size: a line for each value, named by its keys."""

    name = "json/1"
    media_types = frozenset({JSON})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the values in order; records of a list stay together as far as they fit."""
        del pages
        try:
            with open_text(source.path) as file:
                elements = list(read_json(_pieces(file)))
        except (ijson.JSONError, UnicodeError):
            return read_text(source.path, ElementKind.PARAGRAPH)
        return Parsed(elements, warnings=file.warnings)


class _Bytes:
    """A text as the stream of UTF-8 bytes that the reader wants."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int) -> bytes:
        if size == 0:
            return b""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece.encode("utf-8", "replace")
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def _pieces(file: TextFile) -> _Bytes:
    return _Bytes(file.pieces())


def read_json(stream: _Bytes) -> Iterator[Element]:
    """Yield elements of lines such as `order.lines.price: 12`.

    Raises:
        ijson.JSONError: this is no JSON.
    """
    events: Iterable[Event] = ijson.basic_parse(stream, multiple_values=True, use_float=True)
    reader = _Reader()
    for event, value in events:
        reader.take(event, value)
        if reader.full:
            yield reader.element()
    if reader.lines:
        yield reader.element()


class _Reader:
    """Keeps the way to where it is, and the lines that are not yet an element's."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._size = 0
        self._ended = False
        self._path: list[str] = []
        # For each open container: whether it is a list.
        self._open: list[bool] = []

    @property
    def full(self) -> bool:
        return self._size > (RECORD_CHARS if self._ended else MAX_CHARS)

    def take(self, event: str, value: object) -> None:
        self._ended = False
        if event == "map_key":
            self._lead(scrub(str(value)))
        elif event in {"start_map", "start_array"}:
            self._open.append(event == "start_array")
            self._path.append("")
        elif event in {"end_map", "end_array"}:
            self._close()
        else:
            self._add(value)

    def element(self) -> Element:
        """Return what there is as an element."""
        text = "\n".join(self.lines).strip("\n")
        self.lines, self._size = [], 0
        return Element(kind=ElementKind.PARAGRAPH, text=text)

    def _close(self) -> None:
        was_list = self._open.pop()
        self._path.pop()
        # A record ends: a map in a list, or one on a line of its own.
        if not was_list and (not self._open or self._open[-1]):
            self._ended = True
            if self.lines and self.lines[-1]:
                self.lines.append("")

    def _lead(self, key: str) -> None:
        self._path[-1] = key
        if len(self._path) <= MAX_PATH and len(self._way()) > MAX_PATH_CHARS:
            self._put(key)

    def _way(self) -> str:
        return ".".join(key for key in self._path[:MAX_PATH] if key)

    def _put(self, line: str) -> None:
        self.lines.append(line)
        self._size += len(line) + 1

    def _add(self, value: object) -> None:
        text = " ".join(scrub(_shown(value)).split(" "))
        if not text.strip():
            return
        path = self._way()[:MAX_PATH_CHARS]
        line = f"{path}: {text}" if path else text
        if self._open and self._open[-1] and self.lines and self._continues(path):
            # Plain values of one list stand side by side.
            self.lines[-1] += f", {text}"
            self._size += len(line) + 1
        else:
            self._put(line)

    def _continues(self, path: str) -> bool:
        last = self.lines[-1]
        return bool(path) and len(last) < RECORD_CHARS and last.startswith(f"{path}: ")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
