"""An embedder that keeps to its key's budget: it waits for its turn.

It repeats only what was refused for too much, which nobody paid for.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest_worker.embedding.budget import MINUTE_S, Budget, Quota
from shared.embeddings.base import Embedded, Embedder, EmbeddingLimited
from shared.embeddings.rate_limits import RateLimits
from shared.errors import CitewellError, EmbeddingRejected

# A longer wait is not spent with chunks in hand: they are given back, and their jobs say so.
MOST_WAIT_S = 30.0
# Whoever waits longer than this looks whether everyone was told to pause meanwhile.
LOOK_AFTER_S = 0.25
TRIES = 6
# The part of a minute's tokens one request may take: any window then holds whole requests.
REQUEST_SHARE = 1 / 60
# Until the provider's first answer its limits are not known; this much fits most of them.
FIRST_TOKENS = 4096
# Where requests are what is scarce, each waits for more texts, up to OpenAI's own most.
LONGEST_LINGER_S = 2.0
MOST_INPUTS = 2048


class RequestTooLarge(EmbeddingRejected):
    """One request has more tokens than the provider takes at once."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much one request may hold, and how long it may wait to be filled."""

    inputs: int
    tokens: int
    linger_s: float


class PacedEmbedder:
    """One space's embedder within its key's budget."""

    def __init__(self, embedder: Embedder, budget: Budget) -> None:
        """Take the embedder and what its key may spend."""
        self._embedder = embedder
        self._budget = budget
        self._quota = Quota()
        self._waited_s = 0.0
        self._tokens = 0
        self._answered = False

    @property
    def special_tokens(self) -> int:
        """How many special tokens the space's model puts around a text."""
        return self._embedder.space.special_tokens

    def room(self, usual: Room) -> Room:
        """Return what a request may hold: less where tokens are scarce, more where requests are."""
        most = min(usual.tokens, self._most_tokens(self._quota.tokens))
        if not self._answered:
            most = min(most, FIRST_TOKENS)
        if not self._wants_fuller():
            return Room(usual.inputs, most, usual.linger_s)
        linger_s = min(LONGEST_LINGER_S, MINUTE_S / self._quota.requests)
        return Room(MOST_INPUTS, most, max(usual.linger_s, linger_s))

    async def embed(self, texts: Sequence[str], *, tokens: int) -> Embedded:
        """Embed texts of `tokens` tokens in one request, as soon as the budget allows.

        Raises:
            RequestTooLarge: it was refused, and holds more than its part of a minute; fewer
                texts may fit.
            EmbeddingLimited: the provider takes nothing for a longer time; `retry_after_s` says
                how long.
            CitewellError: what the embedder raises.
        """
        tried = 0
        while True:
            await self._turn(tokens)
            tried += 1
            try:
                return await self._call(texts, tokens)
            except EmbeddingLimited as error:
                named = error.limits.tokens.per_minute or 0
                await self._budget.refused(error.limits, retry_after_s=error.retry_after_s)
                if tried == TRIES:
                    error.retry_after_s = max(1.0, await self._budget.pause_s())
                    raise
            if len(texts) > 1 and tokens > self._most_tokens(max(named, self._quota.tokens)):
                raise RequestTooLarge

    async def _call(self, texts: Sequence[str], tokens: int) -> Embedded:
        try:
            embedded = await self._embedder.embed_documents(texts)
        except EmbeddingRejected:
            # The provider is there, and knows its limits.
            await self._budget.answered(extra_tokens=0, tokens=tokens, limits=RateLimits())
            raise
        except EmbeddingLimited:
            raise
        except CitewellError:
            await self._budget.failed()
            raise
        self._answered = True
        counted = embedded.tokens or tokens
        await self._budget.answered(
            extra_tokens=counted - tokens, tokens=counted, limits=embedded.limits
        )
        return embedded

    async def _turn(self, tokens: int) -> None:
        """Return when a request of so many tokens may be sent."""
        self._tokens, self._waited_s = tokens, 0.0
        while True:
            turn = await self._budget.take(tokens, most_wait_s=MOST_WAIT_S)
            self._quota = turn.quota
            if not turn.granted and turn.wait_s > MOST_WAIT_S:
                raise EmbeddingLimited(
                    "The embedding provider takes nothing for a while.",
                    RateLimits(),
                    retry_after_s=turn.wait_s,
                )
            self._waited_s += turn.wait_s
            await asyncio.sleep(turn.wait_s)
            if turn.granted and not await self._paused_meanwhile(turn.wait_s):
                return

    async def _paused_meanwhile(self, waited_s: float) -> bool:
        """Tell whether someone was refused while this one waited: it then takes another turn.

        Going on after the pause instead, all who waited would go at once.
        """
        return waited_s > LOOK_AFTER_S and await self._budget.pause_s() > 0

    def _most_tokens(self, per_minute: float) -> int:
        """Return the most tokens of one request, where a minute has so many; 0 is no limit."""
        if not per_minute:
            return sys.maxsize
        share = per_minute / self._quota.requests if self._quota.requests else 0.0
        return max(1, int(max(per_minute * REQUEST_SHARE, share)))

    def _wants_fuller(self) -> bool:
        """Tell whether requests were waited for, and the tokens would allow larger ones."""
        if not self._quota.requests or self._waited_s <= 0:
            return False
        return self._tokens < self._most_tokens(self._quota.tokens)
