"""The Anthropic chat model: the official SDK against Anthropic or a server that speaks its API."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from services.query_api.chat_models.backoff import retried
from services.query_api.chat_models.base import Call, Completion, Deadlines, Prompt
from services.query_api.chat_models.errors import AnswerUnusable, GenerationRefused
from shared.embeddings.retry_after import retry_after_s
from shared.errors import GenerationTimedOut, GenerationUnavailable

if TYPE_CHECKING:
    from anthropic import APIStatusError
    from anthropic.types import MessageParam, RawMessageStreamEvent

_PASSES = frozenset({408, 409, 429})
_SERVER_ERROR = 500
# `enforced_…`, `contract_…`, `linked_organization_…`: 429s that last until someone pays.
_SPENT = "spend_limit_reached"
_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})


class AnthropicChatModel:
    """Completes through `POST /v1/messages`, streamed."""

    def __init__(
        self, *, model: str, api_key: str, base_url: str, max_tokens: int, timeout_s: float
    ) -> None:
        """Open a pooled client; nothing is sent yet. `timeout_s` bounds each wait of one try."""
        # Imported here: time that a process without this provider never spends.
        import anthropic  # noqa: PLC0415
        import httpx2  # noqa: PLC0415

        self._vendor = anthropic
        # Its transport, whose errors come through once the answer has begun.
        self._transport = httpx2
        self._model = model
        self._max_tokens = max_tokens
        # The SDK's own retries would multiply with ours and know nothing of the budget.
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key, base_url=base_url, timeout=timeout_s, max_retries=0
        )

    @property
    def name(self) -> str:
        """The configured model."""
        return self._model

    def stream(
        self, prompt: Prompt, deadlines: Deadlines
    ) -> AsyncGenerator[str | Completion, None]:
        """Yield the answer as it comes, then its end.

        The temperature is not sent: since version 2026-10-21 the API answers 400 to any.
        """
        return retried(lambda: self._stream(prompt), deadlines)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _stream(self, prompt: Prompt) -> AsyncGenerator[str | Completion, None]:
        vendor = self._vendor
        read = _Read(prompt.spent.call(prompt.model or self._model))
        try:
            events = await self._client.messages.create(
                model=prompt.model or self._model,
                max_tokens=self._max_tokens,
                system=_system(prompt) or vendor.omit,
                messages=_turns(prompt),
                stream=True,
            )
            async with events:
                async for event in events:
                    if text := read.text_of(event):
                        yield text
        except (vendor.APITimeoutError, self._transport.TimeoutException) as error:
            raise GenerationTimedOut from error
        except vendor.APIStatusError as error:
            raise _translated(error) from error
        except (vendor.AnthropicError, self._transport.HTTPError) as error:
            raise GenerationUnavailable(f"Anthropic fails: {error}") from error
        except ValueError as error:
            raise GenerationUnavailable("Anthropic sent no JSON.") from error
        yield read.completion()


class _Read:
    """What the events of one message have told so far."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stopped: str | None = None
        self._said = False

    def text_of(self, event: "RawMessageStreamEvent") -> str:
        """Note what an event tells, and return its text; thinking is none.

        Raises:
            GenerationUnavailable: it is no event of a message: the SDK checks none.
        """
        try:
            return self._noted(event)
        except (AttributeError, TypeError) as error:
            raise GenerationUnavailable("Anthropic sent something else.") from error

    def _noted(self, event: "RawMessageStreamEvent") -> str:
        if event.type == "message_start":
            self._call.model = str(event.message.model)
            self._call.prompt_tokens = int(event.message.usage.input_tokens)
            self._call.completion_tokens = int(event.message.usage.output_tokens)
        elif event.type == "message_delta":
            self._stopped = event.delta.stop_reason
            self._call.completion_tokens = int(event.usage.output_tokens)
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            self._said |= bool(event.delta.text.strip())
            return event.delta.text
        return ""

    def completion(self) -> Completion:
        """Return the end of a whole answer.

        Raises:
            GenerationUnavailable: the events ended before the answer did.
            AnswerUnusable: the model declined, or said nothing.
        """
        if self._stopped is None:
            raise GenerationUnavailable("Anthropic broke off its answer.")
        if self._stopped == "refusal":
            raise AnswerUnusable("The model declines to answer this.")
        if not self._said:
            raise AnswerUnusable("The model sent an empty answer.")
        return Completion(self._call.model, cut=self._stopped in _CUT)


def _system(prompt: Prompt) -> str:
    return "\n\n".join(one.content for one in prompt.messages if one.role == "system")


def _turns(prompt: Prompt) -> "list[MessageParam]":
    turns: list[MessageParam] = []
    for one in prompt.messages:
        if one.role == "user":
            turns.append({"role": "user", "content": one.content})
        elif one.role == "assistant":
            turns.append({"role": "assistant", "content": one.content})
    return turns


def _translated(error: "APIStatusError") -> GenerationUnavailable:
    """Return the error that an answer with an error status is, in our words.

    An account without credit comes as a 400, a reached spend limit as a 429: no waiting helps.
    """
    told = f"Anthropic answered {error.status_code}: {error.api_message or error.message}"
    passes = error.status_code in _PASSES or error.status_code >= _SERVER_ERROR
    if not passes or (error.error_code or "").endswith(_SPENT):
        return GenerationRefused(told)
    return GenerationUnavailable(told, retry_after_s=retry_after_s(error.response.headers))
