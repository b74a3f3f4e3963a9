"""Presentations of PowerPoint before 2007 (ppt): a page for each slide.

The format is [MS-PPT]: records in records; names in brackets are its own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import olefile  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.office.sheets import without_text
from services.ingest_worker.parsing.office_types import PPT
from shared.errors import FileCorrupt, FileEncrypted
from shared.models import Element, ElementKind, JobWarning

# Types of records: [RT_Document], [RT_SlideListWithText] and so on.
_LIST, _SLIDE_PLACE, _NOTES_ATOM = 4080, 1011, 1009
_KIND, _CHARS, _BYTES, _OUTLINE, _STRING = 3999, 4000, 4008, 3998, 4026
_EDIT, _PLACES, _MARGINS = 4085, 6002, 4057
_LOCKED_TOKEN = 0xF3D1C4DF
_CONTAINER = 0xF
_TITLES = frozenset((0, 6))
_BODIES = frozenset((1, 5, 7, 8))
_SLIDES, _NOTES = 0, 2
_SLIDE_MARGINS = 3
_MAX_DEPTH, _MAX_EDITS = 32, 1000
# What stands for a slide's number, date and margins.
_STANDING_FOR = str.maketrans({"\r": "\n", "\x0b": "\n", "*": ""})


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    instance: int
    container: bool
    body: bytes

    def children(self) -> Iterator["_Record"]:
        yield from _records(self.body)

    def below(self, depth: int = 0) -> Iterator["_Record"]:
        """Yield every record below, in order."""
        for one in self.children():
            yield one
            if one.container and depth < _MAX_DEPTH:
                yield from one.below(depth + 1)


@dataclass(slots=True)
class _Text:
    """A text and what it is on its slide."""

    kind: int
    text: str = ""


@dataclass(slots=True)
class _Place:
    """Where a slide is, and the texts its outline has."""

    persist: int
    number: int
    texts: list[_Text] = field(default_factory=list)


class PptParser:
    """Reads each slide's texts in their order, then its footer and its notes."""

    name = "ppt/1"
    media_types = frozenset({PPT})

    def plan(self, source: Source) -> int:
        """Count the slides."""
        return max(1, len(_opened(source).slides))

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the slides of `pages`."""
        show = _opened(source)
        wanted = [
            (page, slide)
            for page, slide in enumerate(show.slides, 1)
            if pages is None or page in pages
        ]
        elements: list[Element] = []
        warnings: list[JobWarning] = []
        for page, slide in wanted:
            found = [one for one in show.elements(slide, page) if one.text]
            elements += found
            warnings += [] if found else [without_text("Slide", "", page)]
        return Parsed(elements, max(1, len(wanted)), warnings)


def _opened(source: Source) -> "_Show":
    with olefile.OleFileIO(str(source.path)) as file:
        folder = ["PP97_DUALSTORAGE"] if file.exists("PP97_DUALSTORAGE/PowerPoint Document") else []
        content = _stream(file, [*folder, "PowerPoint Document"])
        user = _stream(file, [*folder, "Current User"])
    return _Show(content, user)


def _stream(file: Any, path: list[str]) -> bytes:
    if not file.exists(path):
        raise FileCorrupt(f"The presentation lacks its stream {path[-1]}.")
    return bytes(file.openstream(path).read())


class _Show:
    """A presentation: its slides in order, their notes and their margins."""

    def __init__(self, content: bytes, user: bytes) -> None:
        token, edit = struct.unpack_from("<II", user, 12)
        if token == _LOCKED_TOKEN:
            raise FileEncrypted
        self._content = content
        self._offsets, document = self._edits(edit)
        self._document = self._record(document)
        self.slides = list(self._places(_SLIDES))
        self._notes = {number: text for number, text in self._read_notes() if text}
        self._margins = _margins(self._document, _SLIDE_MARGINS)

    def elements(self, place: _Place, page: int) -> Iterator[Element]:
        """Yield a slide's elements, its title first."""
        slide = self._record(place.persist)
        texts = list(_texts(slide, place.texts)) or place.texts
        texts.sort(key=lambda one: one.kind not in _TITLES)
        for one in texts:
            yield from _elements(one, page)
        beside = [*(_margins(slide, None) or self._margins), self._notes.get(place.number, "")]
        seen = {one.text for one in texts}
        for text in beside:
            if text not in seen:
                yield Element(kind=ElementKind.PARAGRAPH, text=text, page=page)

    def _edits(self, edit: int) -> tuple[dict[int, int], int]:
        """Return where objects stand, the newest places, and the document's own number."""
        offsets: dict[int, int] = {}
        document, seen = 0, set[int]()
        while edit and edit not in seen and len(seen) < _MAX_EDITS:
            seen.add(edit)
            record = _record_at(self._content, edit)
            if record.kind != _EDIT:
                raise FileCorrupt("The presentation does not say where its slides are.")
            edit, places, number = struct.unpack_from("<III", record.body, 8)
            document = document or number
            for key, offset in _persisted(_record_at(self._content, places)):
                offsets.setdefault(key, offset)
        return offsets, document

    def _record(self, persist: int) -> _Record:
        return _record_at(self._content, self._offsets.get(persist, len(self._content)))

    def _places(self, which: int) -> Iterator[_Place]:
        for one in self._document.children():
            if one.kind == _LIST and one.instance == which:
                yield from _listed(one)

    def _read_notes(self) -> Iterator[tuple[int, str]]:
        for place in self._places(_NOTES):
            notes = self._record(place.persist)
            atom = next((one for one in notes.children() if one.kind == _NOTES_ATOM), None)
            if atom is not None:
                texts = (one.text for one in _texts(notes, place.texts))
                (slide,) = struct.unpack_from("<I", atom.body)
                yield int(slide), "\n".join(text for text in texts if text)


def _listed(record: _Record) -> Iterator[_Place]:
    """Yield the slides of a list, each with the texts that follow it."""
    place: _Place | None = None
    for one in record.children():
        if one.kind == _SLIDE_PLACE:
            if place is not None:
                yield place
            persist, _, _, number = struct.unpack_from("<IIII", one.body)
            place = _Place(persist, number)
        elif place is not None:
            _take(one, place.texts)
    if place is not None:
        yield place


def _texts(slide: _Record, outline: list[_Text]) -> Iterator[_Text]:
    """Yield the texts of a slide's shapes; some only name one of the outline."""
    found: list[_Text] = []
    for one in slide.below():
        if one.kind == _OUTLINE:
            (at,) = struct.unpack_from("<I", one.body)
            found.extend(outline[at : at + 1])
        else:
            _take(one, found)
    yield from found


def _take(record: _Record, texts: list[_Text]) -> None:
    """Add what an atom says to the texts: a new one's kind, or the text itself."""
    if record.kind == _KIND:
        texts.append(_Text(int(struct.unpack_from("<I", record.body)[0])))
    elif record.kind in {_CHARS, _BYTES} and texts:
        encoding = "utf-16-le" if record.kind == _CHARS else "latin-1"
        texts[-1].text = _clean(record.body.decode(encoding, "replace"))


def _clean(text: str) -> str:
    text = text.translate(_STANDING_FOR)
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def _elements(text: _Text, page: int) -> Iterator[Element]:
    if text.kind in _TITLES:
        yield Element(kind=ElementKind.TITLE, text=" ".join(text.text.split()), level=1, page=page)
        return
    kind = ElementKind.LIST_ITEM if text.kind in _BODIES else ElementKind.PARAGRAPH
    for line in text.text.split("\n"):
        yield Element(kind=kind, text=line, page=page)


def _margins(record: _Record, instance: int | None) -> list[str]:
    """Return the date, header and footer a record sets for itself."""
    found = (
        one
        for one in record.children()
        if one.kind == _MARGINS and instance in {None, one.instance}
    )
    strings = [one for margins in found for one in margins.children() if one.kind == _STRING]
    return [_clean(one.body.decode("utf-16-le", "replace")) for one in strings]


def _persisted(record: _Record) -> Iterator[tuple[int, int]]:
    """Yield the number and place of each object of a directory [PersistDirectoryAtom]."""
    at, body = 0, record.body
    while record.kind == _PLACES and at + 4 <= len(body):
        (head,) = struct.unpack_from("<I", body, at)
        first, count = head & 0xFFFFF, min(head >> 20, (len(body) - at - 4) // 4)
        for number, offset in enumerate(struct.unpack_from(f"<{count}I", body, at + 4), first):
            yield number, int(offset)
        at += 4 + 4 * (head >> 20)


def _record_at(content: bytes, at: int) -> _Record:
    found = next(_records(content[at : at + 8], whole=content, start=at), None)
    if found is None:
        raise FileCorrupt("A record of the presentation is not where it should be.")
    return found


def _records(content: bytes, *, whole: bytes | None = None, start: int = 0) -> Iterator[_Record]:
    """Yield the records a run of bytes is made of; only the first when it is in a `whole`."""
    source = content if whole is None else whole
    at = start
    while at + 8 <= len(source):
        head, kind, length = struct.unpack_from("<HHI", source, at)
        body = source[at + 8 : at + 8 + length]
        yield _Record(kind, head >> 4, head & 0xF == _CONTAINER, body)
        at += 8 + length
        if whole is not None:
            return
