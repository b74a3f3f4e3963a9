"""Which office format a zip package or a compound file is: by the parts it holds."""

import mmap
import zipfile
from pathlib import Path

import olefile  # type: ignore[import-untyped]

from services.ingest_worker.parsing.packages import content_of, members
from services.ingest_worker.parsing.scrub import scrub
from shared.errors import FileCorrupt, FileEncrypted, TypeUnsupported

_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
DOCX = f"{_OOXML}wordprocessingml.document"
PPTX = f"{_OOXML}presentationml.presentation"
XLSX = f"{_OOXML}spreadsheetml.sheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
ODT = f"{_ODF}text"
ODS = f"{_ODF}spreadsheet"
ODP = f"{_ODF}presentation"
EPUB = "application/epub+zip"
DOC = "application/msword"
XLS = "application/vnd.ms-excel"
PPT = "application/vnd.ms-powerpoint"
RTF = "application/rtf"
OUTLOOK = "application/vnd.ms-outlook"
ZIP = "application/zip"

SUFFIXES = {
    DOCX: ".docx .docm .dotx .dotm",
    PPTX: ".pptx .pptm .ppsx .ppsm .potx .potm",
    XLSX: ".xlsx .xlsm .xltx .xltm",
    XLSB: ".xlsb",
    ODT: ".odt .ott .fodt",
    ODS: ".ods .ots .fods",
    ODP: ".odp .otp .fodp .odg .otg .fodg",
    EPUB: ".epub",
    DOC: ".doc .dot",
    XLS: ".xls .xlt",
    PPT: ".ppt .pps .pot",
    RTF: ".rtf",
}
PACKAGES = frozenset({DOCX, PPTX, XLSX, XLSB, ODT, ODS, ODP, EPUB})
# Word, Excel and PowerPoint of before 2007 as `detect` finds them, none of them text.
BINARY = PACKAGES | {DOC, XLS, PPT, RTF}

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# A locked Office document (MS-OFFCRYPTO 2.3.4.4).
_ENCRYPTED = "EncryptedPackage"
_MESSAGE = "__properties_version1.0"
_STREAMS = {
    "WordDocument": DOC,
    "Workbook": XLS,
    "Book": XLS,
    "PowerPoint Document": PPT,
    "PP97_DUALSTORAGE": PPT,
    _MESSAGE: OUTLOOK,
}
_FOLDERS = {"word/": DOCX, "ppt/": PPTX, "xl/": XLSX}
# An OpenDocument type begins with one of these: templates and masters are read like documents.
_ODF_KINDS = {"text": ODT, "spreadsheet": ODS, "presentation": ODP, "graphics": ODP}
_HEAD_BYTES = 4096


def zipped_type(path: Path, named: str | None) -> str | None:
    """Return the type of a zip package, None of another zip; `named` is what its name promises.

    Raises:
        FileCorrupt: it cannot be opened, or is not what it promises and nothing else we know.
        TypeUnsupported: it cannot be opened, and promises nothing we know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _package(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        if named in PACKAGES | {ZIP}:
            raise FileCorrupt(f"The zip cannot be read: {scrub(str(error))}") from error
        raise TypeUnsupported from error
    if found is None and named in PACKAGES:
        raise FileCorrupt("The parts of such a document are not in this file.")
    return found


def _package(archive: zipfile.ZipFile) -> str | None:
    names = members(archive)
    if "[Content_Types].xml" in names:
        if any(name.startswith("xl/workbook.bin") for name in names):
            return XLSB
        kinds = (kind for folder, kind in _FOLDERS.items() if _holds(names, folder))
        return next(kinds, None)
    if "mimetype" in names:
        return _declared(content_of(archive, "mimetype"))
    if "META-INF/container.xml" in names:
        return EPUB
    if "META-INF/manifest.xml" in names and "content.xml" in names:
        return _declared(content_of(archive, "META-INF/manifest.xml"))
    return None


def _holds(names: list[str], folder: str) -> bool:
    return any(name.startswith(folder) for name in names)


def _declared(content: bytes) -> str | None:
    text = content[:_HEAD_BYTES].decode("ascii", "replace")
    if EPUB in text:
        return EPUB
    return open_document_type(text)


def open_document_type(text: str) -> str | None:
    """Return the OpenDocument type whose media type is the first in a text."""
    kind = text.partition(_ODF)[2]
    return next((to for word, to in _ODF_KINDS.items() if kind.startswith(word)), None)


def compound_type(path: Path, named: str | None) -> str:
    """Return the type of a compound file (MS-CFB).

    Raises:
        FileEncrypted: it is an Office document behind a password.
        FileCorrupt: it should be a document of before 2007, but its directory cannot be read.
        TypeUnsupported: it is another compound file.
    """
    try:
        with olefile.OleFileIO(str(path)) as file:
            names = [str(entry[0]) for entry in file.listdir(streams=True, storages=True)]
    except (OSError, ValueError, IndexError, KeyError, RecursionError) as error:
        _refuse_encrypted(path)
        if _mentions(path, _MESSAGE):
            return OUTLOOK
        if named in {DOC, XLS, PPT}:
            raise FileCorrupt("The directory of the document cannot be read.") from error
        raise TypeUnsupported from error
    if _ENCRYPTED in names:
        raise FileEncrypted
    found = next((kind for name, kind in _STREAMS.items() if name in names), None)
    if found is None:
        _refuse_encrypted(path)
        raise TypeUnsupported
    return found


def _refuse_encrypted(path: Path) -> None:
    if _mentions(path, _ENCRYPTED):
        raise FileEncrypted


def _mentions(path: Path, stream: str) -> bool:
    """Look for a stream's name (UTF-16) in a file whose directory is damaged."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(stream.encode("utf-16-le")) >= 0
