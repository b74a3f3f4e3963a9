"""Small office documents made by hand, for formats whose own libraries cannot write them."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ODF = "urn:oasis:names:tc:opendocument:xmlns"
SPACES = " ".join(
    f'xmlns:{short}="{ODF}:{name}:1.0"'
    for short, name in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("style", "style"),
        ("presentation", "presentation"),
    )
)
MIMES = {
    "text": "application/vnd.oasis.opendocument.text",
    "spreadsheet": "application/vnd.oasis.opendocument.spreadsheet",
    "presentation": "application/vnd.oasis.opendocument.presentation",
}


def write_zip(path: Path, parts: Mapping[str, str | bytes]) -> None:
    """Write a zip of these members, in their order."""
    path.write_bytes(zipped(parts))


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """Return a zip of these members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def write_odf(path: Path, kind: str, body: str, *, styles: str = "", manifest: str = "") -> None:
    """Write an OpenDocument package; `kind` is text, spreadsheet or presentation."""
    content = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    masters = f"<office:master-styles>{styles}</office:master-styles>"
    parts = {
        "mimetype": MIMES[kind],
        "content.xml": f"<office:document-content {SPACES}>{content}</office:document-content>",
        "styles.xml": f"<office:document-styles {SPACES}>{masters}</office:document-styles>",
    }
    write_zip(path, parts | ({"META-INF/manifest.xml": manifest} if manifest else {}))


def flat_odf(kind: str, body: str) -> str:
    """Return an OpenDocument in one XML file."""
    inside = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    mime = f'office:mimetype="{MIMES[kind]}"'
    return f'<?xml version="1.0"?><office:document {SPACES} {mime}>{inside}</office:document>'


def write_epub(
    path: Path,
    chapters: Mapping[str, str],
    *,
    title: str = "",
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a book of these pages, by name."""
    items = "".join(
        f'<item id="i{at}" href="{name}" media-type="application/xhtml+xml"/>'
        for at, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="i{at}"/>' for at in range(len(chapters)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    parts = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    parts |= {"OEBPS/book.opf": package}
    parts |= {
        f"OEBPS/{name}": f"<html><body>{text}</body></html>" for name, text in chapters.items()
    }
    write_zip(path, parts | dict(extra or {}))


def write_xlsb(
    path: Path,
    rows: Sequence[Sequence[str | float]],
    *,
    name: str = "Sheet1",
    places: Sequence[tuple[int, int]] = (),
) -> None:
    """Write a binary workbook of one sheet [MS-XLSB]; `places` are where the rows begin."""
    sheet = _brt(0x81) + _brt(0x94, struct.pack("<4I", 0, len(rows), 0, 16)) + _brt(0x91)
    starts = places or [(at, 0) for at in range(len(rows))]
    for (number, first), row in zip(starts, rows, strict=True):
        sheet += _brt(0x00, struct.pack("<I", number) + bytes(21))
        for column, value in enumerate(row, first):
            cell = struct.pack("<II", column, 0)
            if isinstance(value, str):
                sheet += _brt(0x06, cell + _wide(value))
            else:
                sheet += _brt(0x05, cell + struct.pack("<d", value))
    sheet += _brt(0x92) + _brt(0x82)
    bundle = _brt(0x9C, struct.pack("<II", 0, 1) + _wide("rId1") + _wide(name))
    workbook = _brt(0x83) + _brt(0x8F) + bundle + _brt(0x90) + _brt(0x84)
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.bin"/></Relationships>'
    )
    write_zip(
        path,
        {
            "[Content_Types].xml": "<Types/>",
            "xl/workbook.bin": workbook,
            "xl/_rels/workbook.bin.rels": relation,
            "xl/worksheets/sheet1.bin": sheet,
        },
    )


def _brt(kind: int, body: bytes = b"") -> bytes:
    """Return a record; a kind above 127 takes two bytes."""
    mark = bytes((kind & 0x7F | 0x80, kind >> 7)) if kind > 0x7F else bytes((kind,))
    length, size = len(body), b""
    while True:
        size += bytes((length & 0x7F | (0x80 if length > 0x7F else 0),))
        length >>= 7
        if not length:
            return mark + size + body


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
