"""From passages to a verified answer: a model's, or an extract where no model can be had."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog

from services.query_api.chat_models.base import ChatModel, Completion, Deadlines, Prompt
from services.query_api.generation.abstaining import abstained
from services.query_api.generation.answers import EXTRACTIVE, Abstention, Answer, Task
from services.query_api.generation.confidence import confidence, features_of
from services.query_api.generation.extractive import extract
from services.query_api.generation.passages import Cited, Passage
from services.query_api.generation.prompt import messages
from services.query_api.generation.verification.verdicts import Check
from services.query_api.generation.writing import Writing
from shared.errors import GenerationTimedOut, GenerationUnavailable
from shared.settings import QuerySettings
from shared.settings_answers import AnswerSettings

# However late a question is, its model is asked for so long.
_LEAST_S = 0.1

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.answer")


class Composer:
    """Has a model write, and lets out what is verified.

    When every provider fails, or nothing of what they wrote can be let out, an extract takes their
    place (`fallback`), unless the question names the model it wants: then that is the answer.
    """

    def __init__(
        self,
        *,
        chat_model: ChatModel | None,
        check_of: Callable[[Sequence[Passage]], Check],
        settings: QuerySettings,
        answers: AnswerSettings,
    ) -> None:
        """Take the model, if one is configured, and what checks sentences against passages."""
        self._chat_model = chat_model
        self._check_of = check_of
        self._settings = settings
        self._answers = answers

    async def compose(self, task: Task) -> AsyncGenerator[str | Answer, None]:
        """Yield text that is verified, then the answer.

        Raises:
            GenerationUnavailable, GenerationTimedOut: the model that was asked for fails, or any
                after a sentence of it was let out.
        """
        if self._chat_model is not None and task.begun.model != EXTRACTIVE:
            writing = self._writing(task)
            async with aclosing(self._let_out(self._chat_model, task, writing)) as texts:
                async for text in texts:
                    yield text
            answer = _generated(writing, task)
            if answer is not None:
                if answer.abstained:
                    yield answer.text
                yield answer
                return
        answer = _extracted(task)
        yield answer.text
        yield answer

    def _writing(self, task: Task) -> Writing:
        marks = self._answers.unsupported == "mark"
        check = self._check_of(task.passages)
        return Writing(task.passages, check, whole=task.whole, marks=marks)

    async def _let_out(
        self, model: ChatModel, task: Task, writing: Writing
    ) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(model.stream(self._prompt(task), self._deadlines(task))) as written:
                async for one in written:
                    text = await writing.add(one)
                    if text:
                        yield text
        except (GenerationUnavailable, GenerationTimedOut) as error:
            if task.question.model is not None or (writing.text and not task.whole):
                raise
            logger.warning("chat_model_down", code=error.code, why=error.detail)
            writing.begin_anew()

    def _prompt(self, task: Task) -> Prompt:
        asked = task.question.temperature
        return Prompt(
            messages=messages(task.question.text, task.passages, task.question.history),
            temperature=self._settings.temperature if asked is None else asked,
            model=task.question.model,
            spent=task.question.spent,
        )

    def _deadlines(self, task: Task) -> Deadlines:
        left_s = max(_LEAST_S, self._settings.request_timeout_s - task.watch.elapsed_s)
        return Deadlines(
            first_s=self._answers.first_token_s, stall_s=self._answers.stall_s, total_s=left_s
        )


def _generated(writing: Writing, task: Task) -> Answer | None:
    """Return what a model wrote, as an answer; None if an extract should take its place."""
    begun = _told(writing, task.begun)
    if writing.text:
        cited = Cited(writing.text, list(writing.claims.values()))
        supports = [verdict.support for verdict in writing.verdicts if verdict.supported]
        return _cited(begun, cited, task, supports)
    if writing.finds_nothing:
        return abstained(begun, Abstention.NOT_IN_PASSAGES, task.question, task.floor)
    if task.question.model is not None:
        return abstained(begun, Abstention.UNSUPPORTED, task.question, task.floor)
    return None


def _told(writing: Writing, begun: Answer) -> Answer:
    """Return an answer that says who wrote it, and how much of it was held up."""
    end = writing.completion or Completion(begun.model)
    return replace(
        begun,
        model=end.model,
        fallback=end.fallback,
        degraded=(*begun.degraded, *(["length"] if end.cut else [])),
        statements=len(writing.verdicts),
        supported=sum(verdict.supported for verdict in writing.verdicts),
    )


def _extracted(task: Task) -> Answer:
    begun = replace(task.begun, model=EXTRACTIVE, fallback=EXTRACTIVE)
    cited = extract(task.question.text, task.passages)
    if not cited.claims:
        return abstained(begun, Abstention.NOT_IN_PASSAGES, task.question, task.floor)
    count = len(cited.claims)
    return _cited(replace(begun, statements=count, supported=count), cited, task)


def _cited(begun: Answer, cited: Cited, task: Task, supports: Sequence[float] = ()) -> Answer:
    return replace(
        begun,
        text=cited.text,
        sources=cited.sources,
        claims=cited.claims,
        confidence=_confidence(begun, cited, task, supports),
    )


def _confidence(begun: Answer, cited: Cited, task: Task, supports: Sequence[float]) -> float:
    if not cited.claims:
        return 0.0
    statements = begun.statements if supports else 0
    known = features_of(task.question.text, cited.claims, supports=supports, statements=statements)
    return round(confidence(known), 4)
