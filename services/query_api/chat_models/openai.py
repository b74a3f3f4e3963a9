"""The OpenAI chat model: the official SDK against OpenAI or any server that speaks its API."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from services.query_api.chat_models.backoff import within_budget
from services.query_api.chat_models.base import Completion, Prompt
from services.query_api.chat_models.errors import AnswerUnusable, GenerationRefused
from shared.embeddings.retry_after import retry_after_s
from shared.errors import GenerationTimedOut, GenerationUnavailable

if TYPE_CHECKING:
    from openai import APIStatusError
    from openai.types.chat import ChatCompletionMessageParam

_PASSES = frozenset({408, 409, 429})
_SERVER_ERROR = 500


class OpenAIChatModel:
    """Completes through `POST /chat/completions`."""

    def __init__(self, *, model: str, api_key: str, base_url: str, timeout_s: float) -> None:
        """Open a pooled client; nothing is sent yet. `timeout_s` bounds one try."""
        # Imported here: half a second that a process without a provider never spends.
        import openai  # noqa: PLC0415

        self._vendor = openai
        self._model = model
        self._timeout_s = timeout_s
        # The SDK's own retries would multiply with ours and know nothing of the budget.
        self._client = openai.AsyncOpenAI(
            api_key=api_key, base_url=base_url, timeout=timeout_s, max_retries=0
        )

    @property
    def name(self) -> str:
        """The configured model."""
        return self._model

    async def complete(self, prompt: Prompt, *, budget_s: float) -> Completion:
        """Return the whole answer."""
        return await within_budget(lambda: self._complete(prompt), budget_s=budget_s)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _complete(self, prompt: Prompt) -> Completion:
        vendor = self._vendor
        messages = [{"role": one.role, "content": one.content} for one in prompt.messages]
        try:
            answer = await self._client.chat.completions.create(
                model=prompt.model or self._model,
                messages=cast("Iterable[ChatCompletionMessageParam]", messages),
                temperature=prompt.temperature,
            )
        except vendor.APITimeoutError as error:
            raise GenerationTimedOut from error
        except vendor.APIStatusError as error:
            raise _translated(error) from error
        except vendor.OpenAIError as error:
            raise GenerationUnavailable(f"The chat provider cannot be reached: {error}") from error
        if not answer.choices:
            raise GenerationUnavailable("The chat provider sent no answer.")
        text = answer.choices[0].message.content or ""
        if not text.strip():
            raise AnswerUnusable("The model sent an empty answer.")
        return Completion(
            text=text,
            model=answer.model,
            prompt_tokens=answer.usage.prompt_tokens if answer.usage else 0,
            completion_tokens=answer.usage.completion_tokens if answer.usage else 0,
        )


def _translated(error: "APIStatusError") -> GenerationUnavailable:
    """Return the error that an answer with an error status is, in our words.

    `insufficient_quota` comes as a 429 but no waiting helps it: someone must pay.
    """
    told = f"The chat provider answered {error.status_code}: {error.message}"
    passes = error.status_code in _PASSES or error.status_code >= _SERVER_ERROR
    if not passes or error.code == "insufficient_quota":
        return GenerationRefused(told)
    return GenerationUnavailable(told, retry_after_s=retry_after_s(error.response.headers))
