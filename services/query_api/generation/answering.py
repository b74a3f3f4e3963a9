"""The answer use case: retrieve, judge if there is enough, write, cite."""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from prometheus_client import Counter

from services.query_api.chat_models.base import ChatModel, Completion, Prompt
from services.query_api.generation.answers import EXTRACTIVE, Answer, Question, Usage
from services.query_api.generation.extractive import extract
from services.query_api.generation.markers import resolve
from services.query_api.generation.passages import Cited, Passage, numbered
from services.query_api.generation.prompt import NOT_IN_PASSAGES, VERSION, messages
from services.query_api.retrieval.hits import Found, SearchQuery
from services.query_api.retrieval.search import Retriever
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.errors import GenerationTimedOut, GenerationUnavailable, InvalidInput
from shared.settings import QuerySettings

ANSWERS = Counter("citewell_answers", "Answers by how they came about.", ("outcome",))

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.answer")


class Answerer:
    """Answers questions from one collection's passages.

    When every provider fails an extract takes their place (`fallback`), unless the question names
    the model it wants: then the failure is the answer.
    """

    def __init__(
        self, *, retriever: Retriever, chat_model: ChatModel | None, settings: QuerySettings
    ) -> None:
        """Take the search, and the model if one is configured."""
        self._retriever = retriever
        self._chat_model = chat_model
        self._settings = settings

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

    async def answer(self, question: Question) -> Answer:
        """Retrieve and write.

        Raises:
            NotFound, InvalidInput: the collection, a filter or the model is wrong.
            VectorStoreUnavailable, DatabaseUnavailable: a store does not answer.
            GenerationUnavailable, GenerationTimedOut: the model that was asked for fails.
        """
        watch = Stopwatch()
        return await self.write(question, await self.retrieve(question), watch)

    async def retrieve(self, question: Question) -> Found:
        """Return the hits an answer may rest on, those below the floor too."""
        self.model_of(question)
        return await self._retriever.search(
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

    async def write(self, question: Question, found: Found, watch: Stopwatch) -> Answer:
        """Write the answer from what was found; without enough, say so and ask no model."""
        floor = found.floor if question.score_threshold is None else question.score_threshold
        passages = numbered([hit for hit in found.hits if hit.score >= floor])
        begun = Answer(
            answer_id=question.answer_id,
            text="",
            model=self.model_of(question),
            prompt_version=VERSION,
            best_score=max((hit.score for hit in found.hits), default=None),
            degraded=found.degraded,
        )
        if passages:
            with watch.stage("generate"):
                answer = await self._write(question, passages, begun, watch)
        else:
            answer = _abstained(begun, _nothing_near(question, begun.best_score, floor))
        ANSWERS.labels(_outcome(answer)).inc()
        return replace(answer, timings={**found.timings, **watch.milliseconds()})

    async def _write(
        self, question: Question, passages: Sequence[Passage], begun: Answer, watch: Stopwatch
    ) -> Answer:
        if self._chat_model is None or begun.model == EXTRACTIVE:
            return _extracted(question, passages, begun)
        left_s = self._settings.request_timeout_s - watch.elapsed_s
        try:
            completion = await self._complete(self._chat_model, question, passages, left_s)
        except (GenerationUnavailable, GenerationTimedOut) as error:
            if question.model is not None:
                raise
            logger.warning("chat_model_down", code=error.code, why=error.detail)
            return _extracted(question, passages, begun)
        return _generated(completion, passages, begun)

    async def _complete(
        self, model: ChatModel, question: Question, passages: Sequence[Passage], budget_s: float
    ) -> Completion:
        temperature = question.temperature
        prompt = Prompt(
            messages=messages(question.text, passages),
            temperature=self._settings.temperature if temperature is None else temperature,
            model=question.model,
        )
        return await model.complete(prompt, budget_s=max(0.1, budget_s))


def _generated(completion: Completion, passages: Sequence[Passage], begun: Answer) -> Answer:
    begun = replace(
        begun,
        model=completion.model,
        fallback=completion.fallback,
        usage=Usage(completion.prompt_tokens, completion.completion_tokens),
    )
    if NOT_IN_PASSAGES in completion.text:
        return _abstained(begun, "The passages that were found do not answer this question.")
    return _cited(resolve(completion.text, passages), begun)


def _extracted(question: Question, passages: Sequence[Passage], begun: Answer) -> Answer:
    begun = replace(begun, model=EXTRACTIVE, fallback=EXTRACTIVE)
    cited = extract(question.text, passages)
    if not cited.claims:
        return _abstained(begun, "No sentence of the passages found speaks of this question.")
    return _cited(cited, begun)


def _cited(cited: Cited, begun: Answer) -> Answer:
    # Simple for now: the best cited passage's relevance, for the share of the text it holds up.
    best = max((claim.score for claim in cited.claims), default=0.0)
    return replace(
        begun,
        text=cited.text,
        sources=cited.sources,
        claims=cited.claims,
        confidence=round(best * cited.support, 4),
    )


def _abstained(begun: Answer, why: str) -> Answer:
    return replace(begun, text=why, abstained=True, confidence=0.0)


def _nothing_near(question: Question, best: float | None, floor: float) -> str:
    where = f"the collection `{question.collection}`"
    if best is None:
        return f"I found nothing about this in {where}."
    return (
        f"I found nothing in {where} that is close enough to this question to answer it:"
        f" the best passage has a relevance of {best:.2f}, and {floor:.2f} is needed."
    )


def _outcome(answer: Answer) -> str:
    if answer.abstained:
        return "abstained"
    return answer.fallback or "generated"
