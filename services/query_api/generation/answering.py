"""The answer use case: retrieve, judge if there is enough, write, verify, cite."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from prometheus_client import Counter

from services.query_api.chat_models.base import ChatModel
from services.query_api.generation.abstaining import abstained
from services.query_api.generation.answers import (
    EXTRACTIVE,
    Abstention,
    Answer,
    Question,
    Retrieved,
    Task,
)
from services.query_api.generation.budget import fitting
from services.query_api.generation.composing import Composer
from services.query_api.generation.conversation import Conversation
from services.query_api.generation.passages import numbered
from services.query_api.generation.prompt import VERSION
from services.query_api.retrieval.hits import SearchQuery
from services.query_api.retrieval.search import Retriever
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.errors import InvalidInput
from shared.vectors.filters import parse_filters

ANSWERS = Counter("citewell_answers", "Answers by how they came about.", ("outcome",))


class Answerer:
    """Answers questions from one collection's passages."""

    def __init__(
        self,
        *,
        retriever: Retriever,
        conversation: Conversation,
        chat_model: ChatModel | None,
        composer: Composer,
        context_tokens: int,
    ) -> None:
        """Take the search, what makes questions whole, the model if there is one, and what writes.

        `context_tokens` are the most tokens of passages in one prompt.
        """
        self._retriever = retriever
        self._conversation = conversation
        self._chat_model = chat_model
        self._composer = composer
        self._context_tokens = context_tokens

    def model_of(self, question: Question) -> str:
        """Return the name of the model that is to answer.

        Raises:
            InvalidInput: a model is named but no provider is configured.
        """
        if question.model == EXTRACTIVE:
            return EXTRACTIVE
        if self._chat_model is not None:
            return question.model or self._chat_model.name
        if question.model is not None:
            raise InvalidInput(f"No provider is configured; the only model is `{EXTRACTIVE}`.")
        return EXTRACTIVE

    async def retrieve(self, question: Question) -> Retrieved:
        """Return the hits an answer may rest on, those below the floor too.

        Raises:
            NotFound, InvalidInput: the collection, a filter or the model is wrong.
            VectorStoreUnavailable, DatabaseUnavailable: a store does not answer.
        """
        watch = Stopwatch()
        # What is wrong is told before a model is paid to understand it.
        self.model_of(question)
        parse_filters(question.filters)
        question = await self._conversation.understood(question, watch)
        found = await self._retriever.search(
            SearchQuery(
                tenant_id=question.tenant_id,
                text=question.text,
                collection=question.collection,
                limit=question.context_limit,
                filters=question.filters,
                neighbours=question.neighbours,
                distinct=question.distinct,
                max_per_document=question.max_per_document,
                rerank=question.rerank,
            )
        )
        return Retrieved(question, found, watch)

    async def write(self, asked: Retrieved) -> Answer:
        """Return the whole answer; without enough to rest on it says so, and no model is asked.

        Raises:
            GenerationUnavailable, GenerationTimedOut: the model that was asked for fails.
        """
        events = self._events(asked, whole=True)
        (answer,) = [event async for event in events if isinstance(event, Answer)]
        return answer

    def stream(self, asked: Retrieved) -> AsyncGenerator[str | Answer, None]:
        """Yield the answer's text sentence by sentence, as each is verified; then the answer.

        The texts together are the answer's. Closing the generator ends the model's call.

        Raises:
            GenerationUnavailable, GenerationTimedOut: the model that was asked for fails, or any
                after a sentence of it was let out.
        """
        return self._events(asked, whole=False)

    async def _events(self, asked: Retrieved, *, whole: bool) -> AsyncGenerator[str | Answer, None]:
        task = self._task(asked, whole=whole)
        answer = task.begun
        async with aclosing(self._written(task)) as written:
            async for event in written:
                if isinstance(event, str):
                    yield event
                else:
                    answer = event
        ANSWERS.labels(_outcome(answer)).inc()
        timings = {**asked.found.timings, **asked.watch.milliseconds()}
        yield replace(answer, usage=asked.question.spent.usage, timings=timings)

    async def _written(self, task: Task) -> AsyncGenerator[str | Answer, None]:
        if not task.passages:
            best = task.begun.best_score
            why = Abstention.NOTHING_FOUND if best is None else Abstention.BELOW_THRESHOLD
            answer = abstained(task.begun, why, task.question, task.floor)
            yield answer.text
            yield answer
            return
        with task.watch.stage("generate"):
            async with aclosing(self._composer.compose(task)) as composed:
                async for event in composed:
                    yield event

    def _task(self, asked: Retrieved, *, whole: bool) -> Task:
        question, found = asked.question, asked.found
        floor = found.floor if question.score_threshold is None else question.score_threshold
        passages = numbered([hit for hit in found.hits if hit.score >= floor])
        fit = fitting(passages, self._context_tokens)
        begun = Answer(
            answer_id=question.answer_id,
            text="",
            model=self.model_of(question),
            prompt_version=VERSION,
            searched_for=question.searched_for,
            best_score=max((hit.score for hit in found.hits), default=None),
            degraded=(*found.degraded, *(["context"] if len(fit) < len(passages) else [])),
        )
        return Task(question, fit, begun, floor, asked.watch, whole)


def _outcome(answer: Answer) -> str:
    if answer.abstained:
        return "abstained"
    return answer.fallback or "generated"
