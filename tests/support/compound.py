"""Compound files (MS-CFB) made by hand: old Word and PowerPoint documents, Outlook's messages."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
# Shorter streams would live in a stream of their own: all are filled up to this.
LEAST = 4096


def write_compound(path: Path, streams: Mapping[str, bytes]) -> None:
    """Write a compound file; streams are filled up with zeros to whole sectors."""
    filled = {name: content.ljust(LEAST, b"\0") for name, content in streams.items()}
    sizes = [-(-len(content) // SECTOR) for content in filled.values()]
    directory = -(-(len(filled) + 1) * 128 // SECTOR)
    fat_size = 1
    while fat_size * 128 < fat_size + directory + sum(sizes):
        fat_size += 1
    fat, starts = [FAT] * fat_size, []
    for size in (directory, *sizes):
        starts.append(len(fat))
        fat += [*range(len(fat) + 1, len(fat) + size), END]
    fat += [FREE] * (fat_size * 128 - len(fat))
    entries = [_entry("Root Entry", 5, END, 0, child=1 if filled else FREE)]
    for number, (name, content) in enumerate(filled.items(), 1):
        right = number + 1 if number < len(filled) else FREE
        entries.append(_entry(name, 2, starts[number], len(content), right=right))
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0),
        *(fat_size, starts[0], 0, LEAST, END, 0, END, 0, 0),
    )
    difat = struct.pack("<108I", *range(1, fat_size), *[FREE] * (109 - fat_size))
    body = b"".join(_sectors(one) for one in (b"".join(entries), *filled.values()))
    path.write_bytes(
        (header + difat).ljust(SECTOR, b"\0") + struct.pack(f"<{len(fat)}I", *fat) + body
    )


def _sectors(content: bytes) -> bytes:
    return content.ljust(-(-len(content) // SECTOR) * SECTOR, b"\0")


def _entry(
    name: str, kind: int, start: int, size: int, *, child: int = FREE, right: int = FREE
) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        *(encoded, len(encoded), kind, 1, FREE, right, child, bytes(16), 0, 0, 0, start, size),
    )


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph of a doc file: its text with its end mark, its style and its properties."""

    text: str
    style: int = 0
    changes: bytes = b""


HEADING_STYLE = 1
IN_TABLE = struct.pack("<HB", 0x2416, 1)
ENDS_ROW = IN_TABLE + struct.pack("<HB", 0x2417, 1)
LISTED = struct.pack("<Hh", 0x460B, 3)
TEXT_AT, PAGE_AT = 0x400, 0x4000


def write_doc(
    path: Path,
    paragraphs: Sequence[Para],
    *,
    footnotes: str = "",
    margins: str = "",
    compressed: bool = False,
    flags: int = 0,
) -> None:
    """Write a Word 97 document: body, footnotes and margins, one piece, one page of properties."""
    encoding, width = ("cp1252", 1) if compressed else ("utf-16-le", 2)
    body = "".join(one.text for one in paragraphs)
    text = (body + footnotes + margins).encode(encoding)
    head = bytearray(TEXT_AT)
    struct.pack_into("<HH", head, 0, 0xA5EC, 0xC1)
    struct.pack_into("<H", head, 0x0A, 0x0200 | flags)
    lengths = (len(one.encode(encoding)) // width for one in (body, footnotes, margins))
    struct.pack_into("<8i", head, 0x4C, *lengths, 0, 0, 0, 0, 0)
    count = len(text) // width
    place = TEXT_AT * 2 | 0x40000000 if compressed else TEXT_AT
    plc = struct.pack("<II", 0, count) + struct.pack("<HIH", 0, place, 0)
    clx = b"\x01\x02\x00ab\x02" + struct.pack("<I", len(plc)) + plc
    bins = struct.pack("<III", TEXT_AT, TEXT_AT + len(text), PAGE_AT // 512)
    styles = _styles([(0, 0), (1, 0)])
    at, table = 0, b""
    for where, part in ((0x1A2, clx), (0x102, bins), (0xA2, styles)):
        struct.pack_into("<II", head, where, at, len(part))
        at, table = at + len(part), table + part
    content = (bytes(head) + text).ljust(PAGE_AT, b"\0") + _properties(paragraphs, encoding)
    write_compound(path, {"WordDocument": content, "1Table": table})


def _properties(paragraphs: Sequence[Para], encoding: str) -> bytes:
    """Return a page that says where each paragraph begins and what it is [PapxFkp]."""
    starts, at = [TEXT_AT], TEXT_AT
    for one in paragraphs:
        at += len(one.text.encode(encoding))
        starts.append(at)
    page, end = bytearray(512), 510
    struct.pack_into(f"<{len(starts)}I", page, 0, *starts)
    for number, one in enumerate(paragraphs):
        block = struct.pack("<H", one.style) + one.changes
        block = block.ljust(len(block) + len(block) % 2, b"\0")
        end -= len(block) + 2
        page[end : end + len(block) + 2] = bytes((0, len(block) // 2)) + block
        page[4 * len(starts) + 13 * number] = end // 2
    page[511] = len(paragraphs)
    return bytes(page)


def _styles(kinds: Iterable[tuple[int, int]]) -> bytes:
    """Return a sheet of styles, each by its built-in number and the one it stands on."""
    stds = [struct.pack("<HH", kind, base << 4 | 1) + bytes(8) for kind, base in kinds]
    sheet = struct.pack("<HHH", 4, len(stds), 10)
    return sheet + b"".join(struct.pack("<H", len(one)) + one for one in stds)


@dataclass(frozen=True, slots=True)
class Slide:
    """A slide of a ppt file: texts by kind (0 title, 1 body, 4 other), footer and notes."""

    texts: Sequence[tuple[int, str]]
    footer: str = ""
    notes: str = ""


def record(kind: int, *parts: bytes, instance: int = 0, container: bool = False) -> bytes:
    """Return a record of a ppt file."""
    body = b"".join(parts)
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(body)) + body


def write_ppt(path: Path, slides: Sequence[Slide], *, footer: str = "", token: int = 0) -> None:
    """Write a PowerPoint 97 presentation: texts in the outline, named by the slides' shapes."""
    objects: list[bytes] = []
    listed: list[bytes] = []
    noted: list[bytes] = []
    for number, slide in enumerate(slides):
        texts = [record(3999, struct.pack("<I", kind)) + _chars(text) for kind, text in slide.texts]
        place = struct.pack("<5I", len(objects) + 2, 0, 0, 256 + number, 0)
        listed += [record(1011, place), *texts]
        shapes = [record(3998, struct.pack("<I", at)) for at in range(len(texts))]
        box = record(0xF00D, *shapes, container=True)
        objects.append(record(1006, box, _footer(slide.footer, 3), container=True))
        if slide.notes:
            noted.append(record(1011, struct.pack("<5I", len(objects) + 2, 0, 0, number, 0)))
            box = record(0xF00D, record(3999, struct.pack("<I", 2)), _chars(slide.notes))
            atom = record(1009, struct.pack("<II", 256 + number, 0))
            objects.append(record(1008, atom, _contained(box), container=True))
    document = record(
        1000,
        record(4080, *listed, instance=0, container=True),
        record(4080, *noted, instance=2, container=True),
        _footer(footer, 3),
        container=True,
    )
    content, offsets = b"", []
    for one in (document, *objects):
        offsets.append(len(content))
        content += one
    places = len(content)
    head = len(offsets) << 20 | 1
    content += record(6002, struct.pack(f"<{len(offsets) + 1}I", head, *offsets))
    edit = len(content)
    content += record(4085, struct.pack("<7I", 0, 0, 0, places, 1, 0, 0))
    user = record(4086, struct.pack("<III", 20, token, edit))
    write_compound(path, {"PowerPoint Document": content, "Current User": user})


def _contained(box: bytes) -> bytes:
    return struct.pack("<H", 0xF) + box[2:]


def _chars(text: str) -> bytes:
    return record(4000, text.encode("utf-16-le"))


def _footer(text: str, instance: int) -> bytes:
    if not text:
        return b""
    string = record(4026, text.encode("utf-16-le"), instance=2)
    return record(4057, record(4058, bytes(4)), string, instance=instance, container=True)


def write_message(path: Path, texts: Mapping[str, str], *, rich: bytes = b"") -> None:
    """Write an Outlook message: texts by the number of their property, and a packed rich body."""
    streams = {
        f"__substg1.0_{number}001F": text.encode("utf-16-le") for number, text in texts.items()
    }
    if rich:
        streams["__substg1.0_10090102"] = rich
    write_compound(path, {"__properties_version1.0": b"", **streams})


def stored_rtf(content: bytes) -> bytes:
    """Return rich text as Outlook keeps it without packing (MS-OXRTFCP, 2.1.3.1)."""
    return struct.pack("<IIII", len(content) + 12, len(content), 0x414C454D, 0) + content
