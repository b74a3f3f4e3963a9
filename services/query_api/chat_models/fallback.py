"""Providers in order: where one fails the next one answers, all within one budget."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from prometheus_client import Counter

from services.query_api.chat_models.base import ChatModel, Completion, Prompt
from services.query_api.chat_models.errors import AnswerUnusable
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

    A prompt that names a model goes to the provider that has it and to no other, and tells the
    breakers nothing: a name nobody knows must not close a provider to everyone else.
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

    async def complete(self, prompt: Prompt, *, budget_s: float) -> Completion:
        """Return the first answer.

        Raises:
            GenerationUnavailable, GenerationTimedOut: the last provider's failure, or that each
                of them is skipped for a while.
        """
        if prompt.model is not None:
            named = self._provider_of(prompt.model).chat_model
            return await named.complete(prompt, budget_s=budget_s)
        end = self._clock() + budget_s
        open_to_ask = self._open_to_ask()
        failure: GenerationUnavailable | GenerationTimedOut = self._all_skipped()
        for at, provider in enumerate(open_to_ask):
            # An equal share of what is left: a slow one leaves time, a fast failure passes its on.
            share_s = max(0.0, end - self._clock()) / (len(open_to_ask) - at)
            try:
                return await self._ask(provider, prompt, share_s)
            except (GenerationUnavailable, GenerationTimedOut) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close every provider's connections."""
        for provider in self._providers:
            await provider.chat_model.aclose()

    async def _ask(self, provider: Provider, prompt: Prompt, share_s: float) -> Completion:
        breaker = self._breakers[provider.name]
        breaker.begin()
        try:
            completion = await provider.chat_model.complete(prompt, budget_s=share_s)
        except (GenerationUnavailable, GenerationTimedOut) as error:
            _judge(breaker, error, share_s)
            CHAT_CALLS.labels(provider.name, error.code).inc()
            logger.warning(
                "chat_provider_failed", provider=provider.name, code=error.code, why=error.detail
            )
            raise
        breaker.succeed()
        CHAT_CALLS.labels(provider.name, "answered").inc()
        is_first = provider is self._providers[0]
        return completion if is_first else replace(completion, fallback=provider.name)

    def _open_to_ask(self) -> list[Provider]:
        found = []
        for provider in self._providers:
            if self._breakers[provider.name].pause_s:
                CHAT_CALLS.labels(provider.name, "skipped").inc()
            else:
                found.append(provider)
        return found

    def _all_skipped(self) -> GenerationUnavailable:
        return GenerationUnavailable(
            "Every chat provider failed several times just now and is left alone for a while.",
            retry_after_s=min(breaker.pause_s for breaker in self._breakers.values()),
        )

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


def _judge(
    breaker: Breaker, error: GenerationUnavailable | GenerationTimedOut, share_s: float
) -> None:
    if isinstance(error, AnswerUnusable):
        # It did answer: how it answers one question is no reason to keep others from it.
        breaker.succeed()
    elif share_s >= FAIR_TRY_S or not isinstance(error, GenerationTimedOut):
        breaker.fail()
