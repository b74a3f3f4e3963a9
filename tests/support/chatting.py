"""What a chat model writes, read to its end."""

from contextlib import aclosing
from dataclasses import dataclass

from services.query_api.chat_models.base import (
    ChatModel,
    Completion,
    Deadlines,
    Discarded,
    Prompt,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A whole answer: its text, and what its end tells."""

    text: str
    end: Completion


def deadlines(total_s: float = 5.0, *, stall_s: float = 60.0) -> Deadlines:
    """Return deadlines of which only the last matters, unless told otherwise."""
    return Deadlines(first_s=total_s, stall_s=stall_s, total_s=total_s)


async def said_by(model: ChatModel, prompt: Prompt, *, total_s: float = 5.0) -> Told:
    """Read an answer to its end; what is discarded on the way is forgotten."""
    text = ""
    async with aclosing(model.stream(prompt, deadlines(total_s))) as written:
        async for one in written:
            if isinstance(one, str):
                text += one
            elif isinstance(one, Discarded):
                text = ""
            else:
                return Told(text, one)
    raise AssertionError("no end")
