"""The chat model's port: messages in, text out as it is written, within deadlines."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from shared.errors import GenerationTimedOut, GenerationUnavailable

Failure = GenerationUnavailable | GenerationTimedOut


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what the model is shown."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens the providers counted; `cost` is None where the model has no price.

    `model` took them, the last one of several: another than the answer's, where an extract stands
    in for what it wrote.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    model: str | None = None


@dataclass(slots=True)
class Call:
    """One request to a provider: the model that answers, and the tokens it has told of so far."""

    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Spent:
    """What a question takes of chat models, noted as providers tell it.

    So of what broke off, or was left, is counted what is known.
    """

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def call(self, model: str) -> Call:
        """Return what notes one more request."""
        self._calls.append(Call(model))
        return self._calls[-1]

    @property
    def usage(self) -> Usage:
        """All that is known so far."""
        took = [one for one in self._calls if one.prompt_tokens or one.completion_tokens]
        return Usage(
            sum(one.prompt_tokens for one in took),
            sum(one.completion_tokens for one in took),
            model=took[-1].model if took else None,
        )


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to complete, and how; `model` is None for the configured one.

    A provider whose API knows no temperature leaves it out. What the answer takes is noted in
    `spent`.
    """

    messages: Sequence[Message]
    temperature: float
    model: str | None = None
    spent: Spent = field(default_factory=Spent, compare=False)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: until the first words, between two pieces of text, and for all of it."""

    first_s: float
    stall_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Discarded:
    """What was written so far is void: its provider failed (`error`), another begins anew."""

    error: Failure


@dataclass(frozen=True, slots=True)
class Completion:
    """The end: which model wrote, and if the answer was cut short.

    `fallback` names the provider, if it is not the one that was to answer first.
    """

    model: str
    cut: bool = False
    fallback: str | None = None


Written = str | Discarded | Completion


class ChatModel(Protocol):
    """Writes text.

    Raises `GenerationTimedOut` when a deadline passed, and `GenerationUnavailable` for every
    other failure. An adapter retries what may pass (429, 5xx) by itself, until the first words.
    """

    @property
    def name(self) -> str:
        """The model that answers when a prompt names none."""
        ...

    def stream(self, prompt: Prompt, deadlines: Deadlines) -> AsyncGenerator[Written, None]:
        """Yield text as it comes (not all of it blank), then one `Completion`.

        Closing the generator ends the call, at the provider too.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
