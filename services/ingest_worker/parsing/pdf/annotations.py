"""What lies upon a PDF page: values of form fields, free text, notes, comments, pinned files.

A field's value is put where it stands, beside its printed label; notes come after the page.
"""

import ctypes
from collections.abc import Callable, Iterator

from pypdfium2 import raw  # type: ignore[import-untyped]

from services.ingest_worker.parsing.pdf.lines import Line, same_row
from services.ingest_worker.parsing.pdf.space import Space
from services.ingest_worker.parsing.scrub import scrub

MAX_ANNOTATIONS = 5_000
MAX_VALUE_BYTES = 64 * 1024
MAX_NAME_BYTES = 4096
LINE_HEIGHT = 12.0
CHECKED = "[x]"

_HIDDEN = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW
_NOTES = frozenset(
    {
        raw.FPDF_ANNOT_TEXT,
        raw.FPDF_ANNOT_HIGHLIGHT,
        raw.FPDF_ANNOT_UNDERLINE,
        raw.FPDF_ANNOT_SQUIGGLY,
        raw.FPDF_ANNOT_STRIKEOUT,
        raw.FPDF_ANNOT_CARET,
        raw.FPDF_ANNOT_SQUARE,
        raw.FPDF_ANNOT_CIRCLE,
        raw.FPDF_ANNOT_POLYGON,
        raw.FPDF_ANNOT_INK,
        raw.FPDF_ANNOT_STAMP,
        raw.FPDF_ANNOT_FILEATTACHMENT,
    }
)
_BOXES = frozenset({raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON})
_VALUES = frozenset(
    {raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX}
)


def page_annotations(
    page: raw.FPDF_PAGE, forms: raw.FPDF_FORMHANDLE | None, space: Space, lines: list[Line]
) -> list[Line]:
    """Return the page's lines with what lies upon it put among and after them."""
    notes: list[Line] = []
    for at in range(min(raw.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page, at)
        if not annotation:
            continue
        try:
            text, note = _said(annotation, forms)
            if text:
                line = _line(annotation, space, text)
                if note:
                    notes.append(line)
                else:
                    lines = _put(lines, line)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return [*lines, *notes]


def attached_names(page: raw.FPDF_PAGE) -> list[str]:
    """Return the names of the files that are pinned to a page."""
    return [file_name(file) for file in pinned_files(page)]


def pinned_files(page: raw.FPDF_PAGE | None) -> Iterator[raw.FPDF_ATTACHMENT]:
    """Yield the files that are pinned to a page."""
    count = raw.FPDFPage_GetAnnotCount(page) if page else 0
    for at in range(min(count, MAX_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page, at)
        try:
            if file := _pinned_file(annotation):
                yield file
        finally:
            raw.FPDFPage_CloseAnnot(annotation)


def _pinned_file(annotation: raw.FPDF_ANNOTATION | None) -> raw.FPDF_ATTACHMENT | None:
    if annotation and raw.FPDFAnnot_GetSubtype(annotation) == raw.FPDF_ANNOT_FILEATTACHMENT:
        return raw.FPDFAnnot_GetFileAttachment(annotation)
    return None


def file_name(file: raw.FPDF_ATTACHMENT) -> str:
    """Return what a file in a PDF is called, in one line; empty without a name."""
    needed = min(raw.FPDFAttachment_GetName(file, None, 0), MAX_NAME_BYTES)
    buffer = ctypes.create_string_buffer(needed)
    pointer = ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR))
    if raw.FPDFAttachment_GetName(file, pointer, needed) > needed:
        return ""
    return " ".join(scrub(buffer.raw.decode("utf-16-le", "replace")).split())


def _said(annotation: raw.FPDF_ANNOTATION, forms: raw.FPDF_FORMHANDLE | None) -> tuple[str, bool]:
    """Return what an annotation says, and whether it is a note rather than text on the page."""
    if raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
        return "", False
    kind = raw.FPDFAnnot_GetSubtype(annotation)
    if kind == raw.FPDF_ANNOT_WIDGET:
        return _field(annotation, forms) if forms else "", False
    if kind == raw.FPDF_ANNOT_FREETEXT:
        return _string(annotation, b"Contents"), False
    return _string(annotation, b"Contents") if kind in _NOTES else "", True


def _field(annotation: raw.FPDF_ANNOTATION, forms: raw.FPDF_FORMHANDLE) -> str:
    kind = raw.FPDFAnnot_GetFormFieldType(forms, annotation)
    if kind in _BOXES:
        # pdfium's own IsChecked knows nothing before the page was opened for filling in.
        return "" if _string(annotation, b"AS") in {"", "Off"} else CHECKED
    if kind not in _VALUES:
        return ""
    return _clean(lambda to, size: raw.FPDFAnnot_GetFormFieldValue(forms, annotation, to, size))


def _string(annotation: raw.FPDF_ANNOTATION, key: bytes) -> str:
    return _clean(lambda to, size: raw.FPDFAnnot_GetStringValue(annotation, key, to, size))


def _clean(read: Callable[[object, int], int]) -> str:
    """Ask for a text's length, then for the text: UTF-16 with a zero at its end."""
    size = min(read(None, 0), MAX_VALUE_BYTES)
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    read(buffer, size)
    text = bytes(buffer)[: max(0, size - 2)].decode("utf-16-le", "replace")
    return " ".join(scrub(text).split())


def _line(annotation: raw.FPDF_ANNOTATION, space: Space, text: str) -> Line:
    box = raw.FS_RECTF()
    raw.FPDFAnnot_GetRect(annotation, box)
    x0, top, x1, bottom = space.box((box.left, box.bottom, box.right, box.top))
    return Line(text, x0, top, x1, bottom, min(LINE_HEIGHT, bottom - top))


def _put(lines: list[Line], line: Line) -> list[Line]:
    """Put a line after its label: the nearest one to its left in the same row, else above."""
    beside = [at for at, one in enumerate(lines) if same_row(one, line) and one.x0 <= line.x0]
    if beside:
        at = max(beside, key=lambda one: lines[one].x0) + 1
    else:
        at = next((at for at, one in enumerate(lines) if one.top > line.top), len(lines))
    return [*lines[:at], line, *lines[at:]]
