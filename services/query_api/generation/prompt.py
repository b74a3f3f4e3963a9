"""The prompt: versioned instructions, passages numbered and fenced as data, the question last."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from services.query_api.chat_models.base import Message
from services.query_api.generation.passages import Passage

# A new wording is a new file: an answer tells which one made it.
VERSION = "answer-2"
# What the instructions tell the model to say when the passages hold no answer.
NOT_IN_PASSAGES = "NOT_IN_PASSAGES"

_FOLDER = Path(__file__).parent / "prompts"


def messages(question: str, passages: Sequence[Passage]) -> list[Message]:
    """Return what the model is shown."""
    fenced = "\n\n".join(_fenced(passage) for passage in passages)
    return [
        Message("system", _instructions(VERSION)),
        Message("user", f"{fenced}\n\n<question>\n{_harmless(question)}\n</question>"),
    ]


@cache
def _instructions(version: str) -> str:
    return (_FOLDER / f"{version}.md").read_text(encoding="utf-8").strip()


def _fenced(passage: Passage) -> str:
    path = " > ".join(passage.section)
    section = f"Section: {_harmless(path)}\n" if path else ""
    return f'<passage number="{passage.number}">\n{section}{_harmless(passage.text)}\n</passage>'


def _harmless(text: str) -> str:
    """Return the text with its fences broken: a document must not close its own passage."""
    for fence in ("passage", "question"):
        text = text.replace(f"</{fence}", f"<\u200b/{fence}").replace(
            f"<{fence}", f"<\u200b{fence}"
        )
    return text
