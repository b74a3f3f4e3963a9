"""What the drills send: mixed files, some bad and some with files in them, all by one seed."""

import random
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from citewell.client import File
from tests.faults.kit.holders import write_holders
from tests.support.files import SYLLABLES, write_files

# One file in so many is bad.
BAD_EVERY = 12
# One in so many is an archive or a mail with attachments.
HOLDER_EVERY = 16
# So many that a section is a chunk of its own: more than 500 tokens, fewer than 1000.
SECTION_WORDS = 220


def mixed_files(folder: Path, count: int, seed: int) -> list[File]:
    """Write `count` files of all formats, bad ones and holders among them; named by their path."""
    folder.mkdir(parents=True, exist_ok=True)
    bad, holding = count // BAD_EVERY, count // HOLDER_EVERY
    paths = sorted(write_files(folder, count - bad - holding, seed))
    paths += [_write_bad(folder, number) for number in range(bad)]
    paths += write_holders(folder / "held", holding, seed)
    random.Random(seed).shuffle(paths)
    return [File(str(path.relative_to(folder)), path) for path in paths]


def small_texts(folder: Path, count: int, *, prefix: str = "small") -> list[File]:
    """Write tiny text files, each with words that no other has."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(count):
        path = folder / f"{prefix}-{number:06}.txt"
        path.write_text(f"Here stands {prefix}{number}word, and nothing else of note.\n")
        files.append(File(path.name, path))
    return files


def sections(word: str, marker: str, count: int = 3) -> str:
    """Return a document of so many sections, a chunk each; all hold both words."""
    chance = random.Random(f"{word} {marker}")
    return "\n".join(
        f"# Section {number}\n\n{word} {marker} {' '.join(_words(chance, SECTION_WORDS))}.\n"
        for number in range(count)
    )


def long_pdf(path: Path, pages: int, *, edited: int | None = None) -> Path:
    """Write a PDF with a heading on every page and in the outline; one page's text may differ."""
    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(auto=False)
    for page in range(1, pages + 1):
        pdf.add_page()
        pdf.set_font("helvetica", style="B", size=16)
        pdf.start_section(f"Chapter {page}")
        pdf.multi_cell(0, 10, f"Chapter {page}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pdf.set_font("helvetica", size=11)
        words = _words(random.Random(page), 300)
        changed = ["Edited", *words[1:]] if page == edited else words
        pdf.multi_cell(0, 6, " ".join(changed), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.output(str(path))
    return path


def _words(chance: random.Random, count: int) -> list[str]:
    return ["".join(chance.choice(SYLLABLES) for _ in range(3)) for _ in range(count)]


def _write_bad(folder: Path, number: int) -> Path:
    writers = (_encrypted, _corrupt, _unsupported, _empty, _without_text)
    path = folder / "bad" / f"{number:04}"
    path.parent.mkdir(exist_ok=True)
    return writers[number % len(writers)](path, number)


def _encrypted(path: Path, number: int) -> Path:
    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="user")  # noqa: S106 - to be refused
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.cell(0, 10, f"Nobody reads {number}.")
    path = path.with_suffix(".pdf")
    pdf.output(str(path))
    return path


def _corrupt(path: Path, number: int) -> Path:
    path = path.with_suffix(".docx")
    path.write_bytes(b"PK\x03\x04" + number.to_bytes(4) * 200)
    return path


def _unsupported(path: Path, number: int) -> Path:
    path = path.with_suffix(".bin")
    path.write_bytes(b"\x7fELF" + bytes(range(256)) + number.to_bytes(4))
    return path


def _empty(path: Path, _number: int) -> Path:
    path = path.with_suffix(".txt")
    path.write_bytes(b"")
    return path


def _without_text(path: Path, number: int) -> Path:
    pdf = FPDF()
    for _ in range(1 + number % 3):
        pdf.add_page()
        pdf.line(10, 10, 20 + number, 20)
    path = path.with_suffix(".pdf")
    pdf.output(str(path))
    return path
