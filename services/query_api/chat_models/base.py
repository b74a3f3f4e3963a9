"""The chat model's port: messages in, text out, within a deadline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what the model is shown."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to complete, and how; `model` is None for the configured one.

    A provider whose API knows no temperature leaves it out.
    """

    messages: Sequence[Message]
    temperature: float
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote (never blank), which model it was, and the tokens it counted.

    `fallback` names the provider, if it is not the one that was to answer first.
    """

    text: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fallback: str | None = None


class ChatModel(Protocol):
    """Writes text.

    Raises `GenerationTimedOut` when the budget ran out, and `GenerationUnavailable` for every
    other failure. An adapter retries what may pass (429, 5xx) by itself, within the budget.
    """

    @property
    def name(self) -> str:
        """The model that answers when a prompt names none."""
        ...

    async def complete(self, prompt: Prompt, *, budget_s: float) -> Completion:
        """Return the whole answer, after at most `budget_s` seconds."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
