"""Follow-up questions, made self-contained before anything is searched for.

Earlier turns are no evidence: they are shown to the model as turns, and an answer is checked
against passages alone.
"""

import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog
from prometheus_client import Counter

from services.query_api.chat_models.base import ChatModel, Deadlines, Discarded, Message, Prompt
from services.query_api.generation.answers import EXTRACTIVE, LONGEST_QUESTION, Question, Turn
from services.query_api.generation.prompt import harmless, instructions
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.embeddings.terms import terms
from shared.errors import GenerationTimedOut, GenerationUnavailable

CONDENSE_VERSION = "condense-1"
# A question of fewer terms leaves out what was said before, or points back to it.
FEW_TERMS = 3
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|him|his|she|her|there|former|latter)\b"
    r"|^(?:and|but|or|what about|how about)\b",
    re.IGNORECASE,
)

FOLLOW_UPS = Counter(
    "citewell_follow_ups", "Questions with a history, by how they were made whole.", ("by",)
)

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.conversation")


class Conversation:
    """Makes questions whole by the model, or by the words of the question before where it fails."""

    def __init__(self, chat_model: ChatModel | None, *, budget_s: float) -> None:
        """Take the model if one is configured, and how long it may take, seconds."""
        self._chat_model = chat_model
        self._budget_s = budget_s

    async def understood(self, question: Question, watch: Stopwatch) -> Question:
        """Return a question that needs no history; one without history is returned as it is.

        Its `searched_for` is what it was made into, None if its own words stand.
        """
        if not question.history:
            return question
        with watch.stage("condense"):
            by, text = await self._whole(question)
        FOLLOW_UPS.labels(by).inc()
        searched_for = text if text != question.text else None
        return replace(question, text=text, searched_for=searched_for)

    async def _whole(self, question: Question) -> tuple[str, str]:
        """Return how it was done, and the question."""
        if self._chat_model is not None and question.model != EXTRACTIVE:
            try:
                text = await self._condensed(self._chat_model, question)
            except (GenerationUnavailable, GenerationTimedOut) as error:
                logger.warning("not_condensed", code=error.code, why=error.detail)
            else:
                # An essay is no question.
                if 0 < len(text) <= LONGEST_QUESTION:
                    return "model", text
        return "terms", joined(question.text, question.history)

    async def _condensed(self, model: ChatModel, question: Question) -> str:
        prompt = Prompt(_messages(question), 0.0, question.model, question.spent)
        budget = Deadlines(self._budget_s, self._budget_s, self._budget_s)
        text = ""
        async with aclosing(model.stream(prompt, budget)) as written:
            async for one in written:
                if isinstance(one, str):
                    text += one
                elif isinstance(one, Discarded):
                    text = ""
        return text.strip()


def joined(question: str, history: Sequence[Turn]) -> str:
    """Return a question with the one before it, if it seems to need that; as long as one may be."""
    before = next((turn.content for turn in reversed(history) if turn.role == "user"), "")
    known = set(terms(question))
    if len(known) >= FEW_TERMS and not _POINTS_BACK.search(question):
        return question
    if not set(terms(before)) - known:
        return question
    room = LONGEST_QUESTION - len(question) - 1
    return f"{before.strip()[: max(0, room)]} {question}".strip()


def _messages(question: Question) -> list[Message]:
    turns = "\n\n".join(
        f'<turn role="{turn.role}">\n{harmless(turn.content)}\n</turn>' for turn in question.history
    )
    asked = f"<question>\n{harmless(question.text)}\n</question>"
    return [
        Message("system", instructions(CONDENSE_VERSION)),
        Message("user", f"{turns}\n\n{asked}"),
    ]
