"""Cells of PDF tables: Citewell's reader beside pdfplumber's on made tables whose cells are known.

    python benchmarks/parse_tables.py [--pdfplumber PYTHON] [--tables 60] [--seed 7]

PYTHON has pdfplumber. Tables are ruled, ruled by level lines only, or not ruled at all; columns
are aligned left, right or in the middle; cells may be empty. A table counts as right if every row
is, in order; a row is right wherever it stands if each of its cells is. pdfplumber reads with its
default settings, and with `text` strategies where it finds nothing.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fpdf import FPDF

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.models import ElementKind

Rows = list[list[str]]
STYLES = {"ruled": "ALL", "level rules": "HORIZONTAL_LINES", "no rules": "NONE"}
NOUNS = [
    "bolt",
    "nut",
    "washer",
    "screw",
    "hinge",
    "bracket",
    "lever",
    "spring",
    "gasket",
    "valve",
    "pump",
    "seal",
]
READ = """
import json, sys, pdfplumber
found = []
for path in sys.argv[1:]:
    page = pdfplumber.open(path).pages[0]
    tables = page.extract_tables() or page.extract_tables(
        {"vertical_strategy": "text", "horizontal_strategy": "text"})
    rows = max(tables, key=len) if tables else []
    found.append([[" ".join((cell or "").split()) for cell in row] for row in rows])
print(json.dumps(found))
"""


def make(dice: random.Random, path: Path, borders: str) -> Rows:
    """Write one table between two paragraphs; return its cells."""
    columns = dice.randint(2, 6)
    rows = [[f"{dice.choice(NOUNS).title()} {at}" for at in range(columns)]]
    for number in range(dice.randint(4, 14)):
        figures = [_figure(dice) for _ in range(columns - 1)]
        rows.append([f"{dice.choice(NOUNS)} no. {number}", *figures])
    document = FPDF(format="A4", unit="pt")
    document.add_page()
    document.set_font("helvetica", size=dice.choice((8, 10, 12)))
    document.multi_cell(0, text="These are the parts that were counted in the store. " * 4)
    document.ln(30)
    aligns = ["LEFT"] + [dice.choice(("LEFT", "RIGHT", "CENTER")) for _ in range(columns - 1)]
    with document.table(rows, borders_layout=borders, text_align=aligns, line_height=16):
        pass
    document.ln(30)
    document.multi_cell(0, text="What was not counted in the store is not in the table. " * 4)
    document.output(str(path))
    return rows


def _figure(dice: random.Random) -> str:
    if dice.random() < 0.1:  # noqa: PLR2004 - one cell in ten is empty
        return ""
    return dice.choice((f"{dice.random() * 1000:,.2f}", str(dice.randint(0, 99)), "see note"))


def ours(path: Path) -> Rows:
    """Return the largest table our reader finds."""
    elements = Parsers().parse(Source(path, "a.pdf"), None).elements
    tables = [one.text for one in elements if one.kind is ElementKind.TABLE]
    text = max(tables, key=len, default="")
    return [[cell.strip() for cell in f" {row} ".split(" | ")] for row in text.splitlines()]


def right(found: Rows, known: Rows) -> tuple[bool, int, int]:
    """Return whether all rows are right in order, and how many are there at all, of how many."""
    return found == known, sum(row in found for row in known), len(known)


def report(name: str, style: str, found: Sequence[Rows], known: Sequence[Rows]) -> None:
    """Print one reader's figures on one kind of table."""
    scores = [right(here, there) for here, there in zip(found, known, strict=True)]
    whole = sum(score[0] for score in scores)
    rows = sum(score[1] for score in scores) / sum(score[2] for score in scores)
    print(f"{style:12} {name:11} tables {whole:3} of {len(scores)}  rows {rows:.3f}")


def main() -> None:
    """Make the tables, read them, print the shares."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--pdfplumber", default=sys.executable, help="a Python that has pdfplumber")
    ask.add_argument("--tables", type=int, default=60)
    ask.add_argument("--seed", type=int, default=7)
    options = ask.parse_args()
    dice = random.Random(options.seed)  # noqa: S311 - dice, not secrets
    for style, borders in STYLES.items():
        with TemporaryDirectory(prefix="citewell-bench-") as scratch:
            paths = [Path(scratch) / f"{at}.pdf" for at in range(options.tables)]
            known = [make(dice, path, borders) for path in paths]
            report("citewell", style, [ours(path) for path in paths], known)
            command = [options.pdfplumber, "-c", READ, *map(str, paths)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            report("pdfplumber", style, json.loads(printed), known)


if __name__ == "__main__":
    main()
