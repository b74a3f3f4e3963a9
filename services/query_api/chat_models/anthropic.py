"""The Anthropic chat model: the official SDK against Anthropic or a server that speaks its API."""

from typing import TYPE_CHECKING

from services.query_api.chat_models.backoff import within_budget
from services.query_api.chat_models.base import Completion, Prompt
from services.query_api.chat_models.errors import AnswerUnusable, GenerationRefused
from shared.embeddings.retry_after import retry_after_s
from shared.errors import GenerationTimedOut, GenerationUnavailable

if TYPE_CHECKING:
    from anthropic import APIStatusError
    from anthropic.types import Message, MessageParam

_PASSES = frozenset({408, 409, 429})
_SERVER_ERROR = 500
# `enforced_…`, `contract_…`, `linked_organization_…`: 429s that last until someone pays.
_SPENT = "spend_limit_reached"
_UNUSABLE = {
    "max_tokens": "The answer was cut short; CITEWELL_ANTHROPIC_MAX_TOKENS was not enough.",
    "model_context_window_exceeded": "The answer was cut short; the model's window is full.",
    "refusal": "The model declines to answer this.",
}


class AnthropicChatModel:
    """Completes through `POST /v1/messages`."""

    def __init__(
        self, *, model: str, api_key: str, base_url: str, max_tokens: int, timeout_s: float
    ) -> None:
        """Open a pooled client; nothing is sent yet. `timeout_s` bounds one try."""
        # Imported here: time that a process without this provider never spends.
        import anthropic  # noqa: PLC0415

        self._vendor = anthropic
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

    async def complete(self, prompt: Prompt, *, budget_s: float) -> Completion:
        """Return the whole answer.

        The temperature is not sent: since version 2026-10-21 the API answers 400 to any.
        """
        return await within_budget(lambda: self._complete(prompt), budget_s=budget_s)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _complete(self, prompt: Prompt) -> Completion:
        vendor = self._vendor
        try:
            answer = await self._client.messages.create(
                model=prompt.model or self._model,
                max_tokens=self._max_tokens,
                system=_system(prompt) or vendor.omit,
                messages=_turns(prompt),
            )
        except vendor.APITimeoutError as error:
            raise GenerationTimedOut from error
        except vendor.APIStatusError as error:
            raise _translated(error) from error
        except vendor.AnthropicError as error:
            raise GenerationUnavailable(f"Anthropic cannot be reached: {error}") from error
        return _completion(answer)


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


def _completion(answer: "Message") -> Completion:
    """Return what a message says, found by type: thinking may stand before the text."""
    try:
        text = "".join(block.text for block in answer.content if block.type == "text")
        stopped, usage = answer.stop_reason, answer.usage
    except AttributeError as error:
        # The SDK checks nothing: a proxy's page with status 200 arrives here as it is.
        raise GenerationUnavailable("The provider answered with something else.") from error
    if stopped in _UNUSABLE:
        raise AnswerUnusable(_UNUSABLE[stopped])
    if not text.strip():
        raise AnswerUnusable("The model sent an empty answer.")
    return Completion(
        text=text,
        model=answer.model,
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
    )


def _translated(error: "APIStatusError") -> GenerationUnavailable:
    """Return the error that an answer with an error status is, in our words.

    An account without credit comes as a 400, a reached spend limit as a 429: no waiting helps.
    """
    told = f"Anthropic answered {error.status_code}: {error.api_message or error.message}"
    passes = error.status_code in _PASSES or error.status_code >= _SERVER_ERROR
    if not passes or (error.error_code or "").endswith(_SPENT):
        return GenerationRefused(told)
    return GenerationUnavailable(told, retry_after_s=retry_after_s(error.response.headers))
