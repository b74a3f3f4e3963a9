"""The client's questions: answers whole or as they are written, and what is thought of them."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypedDict, Unpack
from uuid import UUID

from pydantic import TypeAdapter

from citewell.client.answer_models import Answer, Feedback, Turn
from citewell.client.errors import AnswerNotUnderstood, ProblemError
from citewell.client.following import StreamedEvent, streamed_events
from citewell.client.transport import Call, Calls, given, understand
from shared.models import Problem

_ANSWER = TypeAdapter(Answer)
_FEEDBACK = TypeAdapter(Feedback)
_PROBLEM = TypeAdapter(Problem)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Wish(TypedDict, total=False):
    """How a question is asked: the fields of `POST /v1/query`; the server chooses what is left out.

    `history` is what was said before, oldest first. The last four are as in a search, of the
    chunks that the answer rests on.
    """

    collection: str | None
    context_limit: int | None
    filters: Mapping[str, Any] | None
    score_threshold: float | None
    temperature: float | None
    model: str | None
    history: Sequence[Turn]
    neighbours: int
    distinct: bool
    max_per_document: int | None
    rerank: bool


class AskCalls(Calls):
    """Asks questions."""

    async def ask(self, question: str, **wish: Unpack[Wish]) -> Answer:
        """Answer a question from the documents, with citations, or abstain."""
        return await self._send(_asked({"question": question, **wish}), _ANSWER)

    async def stream_answer(
        self, question: str, **wish: Unpack[Wish]
    ) -> AsyncGenerator[str | Answer, None]:
        """Yield the answer's text, a verified sentence at a time, then the whole `Answer`.

        Leaving ends the model's call. Raises `ProblemError` where the answer could not be written
        to its end.
        """
        lines = self._transport.lines(_asked({"question": question, **wish, "stream": True}))
        told: dict[str, Any] = {"citations": []}
        async with aclosing(streamed_events(lines)) as events:
            async for event in events:
                if event.name == "token":
                    yield str(_fields(event)["text"])
                elif _takes(told, event):
                    yield understand(_ANSWER, json.dumps(told).encode())
                    return
        message = "The stream broke off before the answer's end."
        raise AnswerNotUnderstood(message)

    async def give_feedback(
        self, answer_id: UUID | str, rating: Literal["up", "down"], *, comment: str | None = None
    ) -> Feedback:
        """Say whether an answer helped; the next word takes the place of the last."""
        said = given({"answer_id": str(answer_id), "rating": rating, "comment": comment})
        return await self._send(Call("POST", "/v1/feedback", json=said), _FEEDBACK)


def _asked(wish: Mapping[str, Any]) -> Call:
    turns = [turn.model_dump() for turn in wish.get("history", ())]
    # A model may be paid for: a cut connection is not tried again.
    wanted = given({**wish, "history": turns or None})
    return Call("POST", "/v1/query", json=wanted, idempotent=False)


def _takes(told: dict[str, Any], event: StreamedEvent) -> bool:
    """Add what an event tells of an answer; True with the last one.

    Raises:
        ProblemError: it tells that the answer could not be written to its end.
    """
    match event.name:
        case "error":
            raise ProblemError(understand(_PROBLEM, event.data))
        case "citation":
            told["citations"].append(_fields(event))
        case "meta" | "done":
            told.update(_fields(event))
        case _:
            pass
    return event.name == "done"


def _fields(event: StreamedEvent) -> dict[str, Any]:
    return understand(_FIELDS, event.data)
