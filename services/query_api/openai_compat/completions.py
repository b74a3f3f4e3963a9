"""An answer as a chat completion, whole or in chunks."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from services.query_api.generation.answers import Answer, Question
from services.query_api.generation.passages import Claim
from services.query_api.openai_compat.schemas import (
    Annotation,
    AssistantMessage,
    ChatChoice,
    ChatCompletion,
    ChatUsage,
    FileCitation,
    UrlCitation,
)
from services.query_api.schemas.query import QueryResponse
from shared.openai_ids import shown_file_id
from shared.web.sse import data_event

DONE = data_event("[DONE]")
# So much of a sentence tells it from others; behind it a marker may stand.
_HEAD = 24


def completion_of(answer: Answer) -> ChatCompletion:
    """Return an answer as one completion; an abstention is one like any other, and says so."""
    message = AssistantMessage(content=answer.text, annotations=_annotations(answer))
    return ChatCompletion(
        id=f"chatcmpl-{answer.answer_id.hex}",
        created=int(time.time()),
        model=answer.model,
        choices=[ChatChoice(message=message, finish_reason=_finish(answer))],
        usage=_usage(answer),
        citewell=QueryResponse.of(answer),
    )


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of one completion; with `tells_usage` another one, last, counts tokens."""

    question: Question
    model: str
    tells_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    def first(self) -> str:
        """Return the chunk that says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def told(self, one: str | Answer) -> list[str]:
        """Return the chunk of a text, or those that end the answer, with its sources."""
        return [self._chunk({"content": one})] if isinstance(one, str) else list(self._last(one))

    def _last(self, answer: Answer) -> Iterator[str]:
        whole = completion_of(answer)
        sources = [one.model_dump(mode="json") for one in whole.choices[0].message.annotations]
        told = whole.citewell.model_dump(mode="json", exclude_none=True)
        yield self._chunk(
            {"annotations": sources},
            finish_reason=_finish(answer),
            model=answer.model,
            citewell=told,
        )
        if self.tells_usage:
            usage = whole.usage.model_dump()
            yield self._event({"model": answer.model, "choices": [], "usage": usage})
        yield DONE

    def _chunk(
        self, delta: dict[str, Any], finish_reason: str | None = None, **more: object
    ) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        usage = {"usage": None} if self.tells_usage else {}
        return self._event({"choices": [choice], **usage, **more})

    def _event(self, told: dict[str, object]) -> str:
        begun = {
            "id": f"chatcmpl-{self.question.answer_id.hex}",
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
        }
        return data_event(json.dumps({**begun, **told}, ensure_ascii=False))


def _finish(answer: Answer) -> Literal["stop", "length"]:
    return "length" if "length" in answer.degraded else "stop"


def _usage(answer: Answer) -> ChatUsage:
    usage = answer.usage
    return ChatUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )


def _annotations(answer: Answer) -> list[Annotation]:
    """Return one annotation for each marker in the text, in their order."""
    return [_annotation(claim, start) for start, claim in _placed(answer.text, answer.claims)]


def _placed(text: str, claims: Sequence[Claim]) -> Iterator[tuple[int, Claim]]:
    """Yield where each marker begins, with the claim it stands for.

    Of several claims with the same marker that one whose sentence is nearest before it, and of
    two of one sentence each once.
    """
    sources = "|".join(re.escape(source) for source in {claim.source for claim in claims})
    used: set[int] = set()
    for found in re.finditer(sources, text) if sources else ():
        meant = [at for at, claim in enumerate(claims) if claim.source == found[0]]
        chosen = max(
            meant,
            key=lambda at: (text.rfind(claims[at].text[:_HEAD], 0, found.start()), at not in used),
        )
        used.add(chosen)
        yield found.start(), claims[chosen]


def _annotation(claim: Claim, start: int) -> Annotation:
    chunk = claim.chunk
    return Annotation(
        url_citation=UrlCitation(
            start_index=start,
            end_index=start + len(claim.source),
            title=chunk.filename,
            url=f"/v1/chunks/{chunk.id}",
        ),
        file_citation=FileCitation(
            file_id=shown_file_id(chunk.source_id),
            filename=chunk.filename,
            page=claim.page,
            quote=claim.quote,
            document_id=str(chunk.document_id),
            chunk_id=str(chunk.id),
            score=claim.score,
        ),
    )
