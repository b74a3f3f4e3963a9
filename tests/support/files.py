"""Files to ingest, of several formats, each with a word that no other file has."""

import random
from pathlib import Path

import docx
from fpdf import FPDF

SYLLABLES = ("ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "pa", "re", "so", "ti", "vu", "za")


def write_files(folder: Path, count: int, seed: int) -> dict[Path, str]:
    """Write `count` files below `folder`; return each file's own word."""
    chance = random.Random(seed)
    writers = (_text, _markdown, _html, _pdf, _docx)
    words: dict[Path, str] = {}
    for number in range(count):
        write = writers[number % len(writers)]
        path = folder / f"{number % 7}" / f"{number:04}.{write.__name__.lstrip('_')}"
        path.parent.mkdir(exist_ok=True)
        word = f"{number:04}".translate(str.maketrans("0123456789", "abcdefghij")) + "quix"
        path = write(path, _sentences(chance, word))
        words[path] = word
    return words


def _sentences(chance: random.Random, word: str) -> list[str]:
    made = [
        " ".join(
            "".join(chance.choice(SYLLABLES) for _ in range(chance.randint(2, 4)))
            for _ in range(chance.randint(6, 14))
        ).capitalize()
        + "."
        for _ in range(chance.randint(5, 60))
    ]
    made.insert(chance.randrange(len(made)), f"Here stands {word} alone.")
    return made


def _text(path: Path, sentences: list[str]) -> Path:
    path = path.with_suffix(".txt")
    path.write_text("\n\n".join(sentences), encoding="utf-8")
    return path


def _markdown(path: Path, sentences: list[str]) -> Path:
    path = path.with_suffix(".md")
    path.write_text("# A title\n\n" + "\n\n".join(sentences), encoding="utf-8")
    return path


def _html(path: Path, sentences: list[str]) -> Path:
    body = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    path.write_text(f"<html><body><h1>A title</h1>{body}</body></html>", encoding="utf-8")
    return path


def _pdf(path: Path, sentences: list[str]) -> Path:
    document = FPDF()
    document.set_font("helvetica", size=11)
    for first in range(0, len(sentences), 15):
        document.add_page()
        document.multi_cell(0, text="\n".join(sentences[first : first + 15]))
    document.output(str(path))
    return path


def _docx(path: Path, sentences: list[str]) -> Path:
    document = docx.Document()
    document.add_heading("A title")
    for sentence in sentences:
        document.add_paragraph(sentence)
    document.save(str(path))
    return path
