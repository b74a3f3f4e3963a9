"""The prompt: versioned instructions, passages numbered and fenced as data, the question last."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from services.query_api.chat_models.base import Message
from services.query_api.generation.answers import Turn
from services.query_api.generation.passages import Passage

# A new wording is a new file: an answer tells which one made it.
VERSION = "answer-2"

# Sources of other passages than those of now: a model would repeat them.
_SOURCE = re.compile(r"\s*\[Source: [^\]]*\]")

_FOLDER = Path(__file__).parent / "prompts"


def messages(
    question: str, passages: Sequence[Passage], history: Sequence[Turn] = ()
) -> list[Message]:
    """Return what the model is shown; earlier turns stand before the passages, as turns."""
    fenced = "\n\n".join(_fenced(passage) for passage in passages)
    return [
        Message("system", instructions(VERSION)),
        *(Message(turn.role, _SOURCE.sub("", harmless(turn.content))) for turn in history),
        Message("user", f"{fenced}\n\n<question>\n{harmless(question)}\n</question>"),
    ]


@cache
def instructions(version: str) -> str:
    """Return the wording of a version."""
    return (_FOLDER / f"{version}.md").read_text(encoding="utf-8").strip()


def _fenced(passage: Passage) -> str:
    path = " > ".join(passage.section)
    section = f"Section: {harmless(path)}\n" if path else ""
    return f'<passage number="{passage.number}">\n{section}{harmless(passage.text)}\n</passage>'


def harmless(text: str) -> str:
    """Return the text with its fences broken: a document must not close its own passage."""
    for fence in ("passage", "question", "turn"):
        text = text.replace(f"</{fence}", f"<\u200b/{fence}").replace(
            f"<{fence}", f"<\u200b{fence}"
        )
    return text
