"""Makes the PDF and DOCX samples from the texts: `python -m tests.support.make_samples`.

The same texts and library versions always give the same content: dates are fixed. A test compares
what is shipped with this; of a DOCX its members, since two builds of zlib need not agree.
"""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from citewell.samples import DOCUMENTS

TEXTS = Path(__file__).parent / "samples"
WRITTEN = datetime(2031, 6, 2, 9, 0, tzinfo=UTC)
PAGE_BREAK = "\n---\n"
MADE = {
    "manuals/lumenar-40-manual.pdf": "lumenar-40-manual.md",
    "manuals/lumenar-40-quick-start.pdf": "lumenar-40-quick-start.md",
    "reports/field-report-2030.pdf": "field-report-2030.md",
    "policies/travel-and-expenses.docx": "travel-and-expenses.md",
    "policies/leave-and-absence.docx": "leave-and-absence.md",
}
HEADING_POINTS = {1: 18, 2: 13}


def make(name: str) -> bytes:
    """Return the bytes of one of the files in `MADE`."""
    text = (TEXTS / MADE[name]).read_text(encoding="utf-8")
    return make_pdf(text) if name.endswith(".pdf") else make_docx(text)


def make_pdf(text: str) -> bytes:
    """Lay out one PDF page for each page of the text, with headings in the outline."""
    pdf = FPDF(format="A4")
    pdf.set_compression(compress=False)
    pdf.set_creation_date(WRITTEN)
    pdf.set_margin(22)
    # Each page of the text must stay one page, or the questions' page numbers would be wrong.
    pdf.set_auto_page_break(auto=False)
    pdf.set_title(next(blocks(text))[1])
    pdf.set_author("Marrowfen Instruments")
    for page in text.split(PAGE_BREAK):
        pdf.add_page()
        for level, block in blocks(page):
            _print_block(pdf, level, block)
        if pdf.get_y() > pdf.h - pdf.b_margin:
            raise ValueError(f"page {pdf.page_no()} is too long")
    return bytes(pdf.output())


def _print_block(pdf: FPDF, level: int, block: str) -> None:
    if level:
        pdf.set_font("Helvetica", style="B", size=HEADING_POINTS[level])
        pdf.start_section(block, level=level - 1)
    else:
        pdf.set_font("Helvetica", size=11)
    pdf.multi_cell(0, 10 if level else 6, block, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
    pdf.ln(3)


def make_docx(text: str) -> bytes:
    """Write headings and paragraphs with Word's own styles."""
    document = Document()
    document.core_properties.author = "Marrowfen Instruments"
    document.core_properties.title = next(blocks(text))[1]
    document.core_properties.created = document.core_properties.modified = WRITTEN
    for level, block in blocks(text):
        if level:
            document.add_heading(block, level=level)
        else:
            document.add_paragraph(block)
    written = io.BytesIO()
    document.save(written)
    return _redated(written.getvalue())


def _redated(archive: bytes) -> bytes:
    """Write a zip anew, every member with one fixed date."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as dated:
        for name, content in members(archive).items():
            entry = zipfile.ZipInfo(name, WRITTEN.timetuple()[:6])
            dated.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def members(archive: bytes) -> dict[str, bytes]:
    """Return the members of a zip, by name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return {name: source.read(name) for name in sorted(source.namelist())}


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield headings with their level and paragraphs with level 0."""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped == "---":
            continue
        heading = stripped.lstrip("#")
        level = len(stripped) - len(heading)
        yield level, heading.strip()


def main() -> None:
    """Write every made file into the package."""
    for name in MADE:
        path = DOCUMENTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(name))


if __name__ == "__main__":
    main()
