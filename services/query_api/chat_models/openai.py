"""The OpenAI chat model: the official SDK against OpenAI or any server that speaks its API."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from services.query_api.chat_models.backoff import retried
from services.query_api.chat_models.base import Call, Completion, Deadlines, Prompt
from services.query_api.chat_models.errors import AnswerUnusable, GenerationRefused
from shared.embeddings.retry_after import retry_after_s
from shared.errors import GenerationTimedOut, GenerationUnavailable

if TYPE_CHECKING:
    from openai import APIStatusError

_PASSES = frozenset({408, 409, 429})
_SERVER_ERROR = 500


class OpenAIChatModel:
    """Completes through `POST /chat/completions`, streamed."""

    def __init__(self, *, model: str, api_key: str, base_url: str, timeout_s: float) -> None:
        """Open a pooled client; nothing is sent yet. `timeout_s` bounds each wait of one try."""
        # Imported here: half a second that a process without a provider never spends.
        import openai  # noqa: PLC0415

        self._vendor = openai
        self._model = model
        # The SDK's own retries would multiply with ours and know nothing of the budget.
        self._client = openai.AsyncOpenAI(
            api_key=api_key, base_url=base_url, timeout=timeout_s, max_retries=0
        )

    @property
    def name(self) -> str:
        """The configured model."""
        return self._model

    def stream(
        self, prompt: Prompt, deadlines: Deadlines
    ) -> AsyncGenerator[str | Completion, None]:
        """Yield the answer as it comes, then its end."""
        return retried(lambda: self._stream(prompt), deadlines)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _stream(self, prompt: Prompt) -> AsyncGenerator[str | Completion, None]:
        vendor = self._vendor
        read = _Read(prompt.spent.call(prompt.model or self._model))
        body = {
            "model": prompt.model or self._model,
            "messages": [{"role": one.role, "content": one.content} for one in prompt.messages],
            "temperature": prompt.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            # As plain data: the SDK's models of each piece took a quarter of a stream's CPU time.
            chunks = await self._client.post(
                "/chat/completions",
                cast_to=object,
                body=body,
                stream=True,
                stream_cls=vendor.AsyncStream[object],
            )
            async with chunks:
                async for chunk in chunks:
                    if text := read.text_of(chunk):
                        yield text
        except vendor.APITimeoutError as error:
            raise GenerationTimedOut from error
        except vendor.APIStatusError as error:
            raise _translated(error) from error
        except vendor.OpenAIError as error:
            raise GenerationUnavailable(f"The chat provider fails: {error}") from error
        except ValueError as error:
            raise GenerationUnavailable("The chat provider sent no JSON.") from error
        yield read.completion()


class _Read:
    """What the chunks of one answer have told so far."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._ended: str | None = None
        self._declined = False
        self._said = False

    def text_of(self, chunk: Any) -> str:
        """Note what a chunk tells, and return its text.

        Raises:
            GenerationUnavailable: it is no chunk of an answer.
        """
        try:
            self._call.model = chunk.get("model") or self._call.model
            if usage := chunk.get("usage"):
                self._call.prompt_tokens = int(usage["prompt_tokens"])
                self._call.completion_tokens = int(usage["completion_tokens"])
            return self._choice(chunk["choices"][0]) if chunk.get("choices") else ""
        except (AttributeError, KeyError, TypeError) as error:
            raise GenerationUnavailable("The chat provider sent something else.") from error

    def _choice(self, choice: dict[str, Any]) -> str:
        self._ended = choice.get("finish_reason") or self._ended
        delta = choice.get("delta") or {}
        self._declined |= bool(delta.get("refusal"))
        text: str = delta.get("content") or ""
        self._said |= bool(text.strip())
        return text

    def completion(self) -> Completion:
        """Return the end of a whole answer.

        Raises:
            GenerationUnavailable: the chunks ended before the answer did.
            AnswerUnusable: the model declined, or said nothing.
        """
        if self._declined or self._ended == "content_filter":
            raise AnswerUnusable("The model declines to answer this.")
        if self._ended is None:
            raise GenerationUnavailable("The chat provider broke off its answer.")
        if not self._said:
            raise AnswerUnusable("The model sent an empty answer.")
        return Completion(self._call.model, cut=self._ended == "length")


def _translated(error: "APIStatusError") -> GenerationUnavailable:
    """Return the error that an answer with an error status is, in our words.

    `insufficient_quota` comes as a 429 but no waiting helps it: someone must pay.
    """
    told = f"The chat provider answered {error.status_code}: {error.message}"
    passes = error.status_code in _PASSES or error.status_code >= _SERVER_ERROR
    if not passes or error.code == "insufficient_quota":
        return GenerationRefused(told)
    return GenerationUnavailable(told, retry_after_s=retry_after_s(error.response.headers))
