"""Providers in order: where one fails the next one answers, all within one budget."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog
from prometheus_client import Counter

from services.query_api.chat_models.base import (
    ChatModel,
    Completion,
    Deadlines,
    Discarded,
    Failure,
    Prompt,
    Written,
)
from services.query_api.chat_models.errors import AnswerUnusable, GenerationPaused
from shared.breaker import Breaker
from shared.errors import GenerationTimedOut, GenerationUnavailable

CHAT_CALLS = Counter(
    "citewell_chat_calls",
    "Questions put to a chat provider by what came of it; `skipped`: it failed too often lately.",
    ("provider", "outcome"),
)
# A time-out after less than this says nothing of the provider: search may have used up the budget.
FAIR_TRY_S = 2.0

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.chat")


@dataclass(frozen=True, slots=True)
class Provider:
    """A chat model and what it is called in the settings.

    `families` are what its models' names begin with; none: it may have a model of any name.
    """

    name: str
    chat_model: ChatModel
    families: tuple[str, ...] = ()


class FallbackChatModel:
    """Asks the first provider; the next one when it fails, is late or was skipped.

    A prompt that names a model goes to the provider that has it and to no other. Only what a
    configured model does is told to a breaker: a name nobody knows must not close a provider to
    everyone else.
    """

    def __init__(
        self, providers: Sequence[Provider], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take at least one provider, in order."""
        self._providers = providers
        self._clock = clock
        self._breakers = {one.name: Breaker(one.name, clock=clock) for one in providers}

    @property
    def name(self) -> str:
        """The first provider's model."""
        return self._providers[0].chat_model.name

    @property
    def models(self) -> list[str]:
        """Every provider's model, in order."""
        return [provider.chat_model.name for provider in self._providers]

    async def stream(self, prompt: Prompt, deadlines: Deadlines) -> AsyncGenerator[Written, None]:
        """Yield the first answer; `Discarded` where the next provider begins anew.

        Raises:
            GenerationUnavailable, GenerationTimedOut: the last provider's failure.
            GenerationPaused: each of those that could be asked is skipped for a while.
        """
        asked = self._asked(prompt)
        end = self._clock() + deadlines.total_s
        for at, provider in enumerate(asked):
            left = replace(deadlines, total_s=max(0.0, end - self._clock()))
            # An equal share of what is left: a slow one leaves time, a fast failure passes its on.
            share_s = min(left.first_s, left.total_s / (len(asked) - at))
            try:
                async with aclosing(
                    self._ask(provider, prompt, replace(left, first_s=share_s))
                ) as answer:
                    async for written in answer:
                        yield written
            except (GenerationUnavailable, GenerationTimedOut) as error:
                if at == len(asked) - 1:
                    raise
                yield Discarded(error)
            else:
                return

    async def aclose(self) -> None:
        """Close every provider's connections."""
        for provider in self._providers:
            await provider.chat_model.aclose()

    async def _ask(
        self, provider: Provider, prompt: Prompt, deadlines: Deadlines
    ) -> AsyncGenerator[Written, None]:
        breaker = None if _is_strange(prompt, provider) else self._breakers[provider.name]
        if breaker is not None:
            breaker.begin()
        try:
            async with aclosing(provider.chat_model.stream(prompt, deadlines)) as answer:
                async for written in answer:
                    if isinstance(written, Completion):
                        _praise(breaker, provider)
                    yield self._told(written, provider, prompt)
        except (GenerationUnavailable, GenerationTimedOut) as error:
            _judge(breaker, error, deadlines.first_s)
            CHAT_CALLS.labels(provider.name, error.code).inc()
            logger.warning(
                "chat_provider_failed", provider=provider.name, code=error.code, why=error.detail
            )
            raise

    def _told(self, written: Written, provider: Provider, prompt: Prompt) -> Written:
        stands_in = prompt.model is None and provider is not self._providers[0]
        if isinstance(written, Completion) and stands_in:
            return replace(written, fallback=provider.name)
        return written

    def _asked(self, prompt: Prompt) -> list[Provider]:
        """Return who is asked, in order; at least one.

        Raises:
            GenerationPaused: all that could be are left alone for a while.
        """
        named = prompt.model
        could = self._providers if named is None else [self._provider_of(named)]
        found = [one for one in could if not self._is_skipped(one, prompt)]
        if not found:
            raise GenerationPaused(
                retry_after_s=min(self._breakers[one.name].pause_s for one in could)
            )
        return found

    def _is_skipped(self, provider: Provider, prompt: Prompt) -> bool:
        if _is_strange(prompt, provider) or not self._breakers[provider.name].pause_s:
            return False
        CHAT_CALLS.labels(provider.name, "skipped").inc()
        return True

    def _provider_of(self, model: str) -> Provider:
        """Return who is asked for a model: whose own it is, whose family, who may have any."""
        rules: tuple[Callable[[Provider], bool], ...] = (
            lambda one: one.chat_model.name == model,
            lambda one: model.startswith(one.families),
            lambda one: not one.families,
        )
        for rule in rules:
            for provider in self._providers:
                if rule(provider):
                    return provider
        return self._providers[0]


def _is_strange(prompt: Prompt, provider: Provider) -> bool:
    """Whether a model is asked for that is not the provider's configured one."""
    return prompt.model not in {None, provider.chat_model.name}


def _praise(breaker: Breaker | None, provider: Provider) -> None:
    if breaker is not None:
        breaker.succeed()
    CHAT_CALLS.labels(provider.name, "answered").inc()


def _judge(breaker: Breaker | None, error: Failure, first_s: float) -> None:
    if breaker is None:
        return
    if isinstance(error, AnswerUnusable):
        # It did answer: how it answers one question is no reason to keep others from it.
        breaker.succeed()
    elif first_s >= FAIR_TRY_S or not isinstance(error, GenerationTimedOut):
        breaker.fail()
