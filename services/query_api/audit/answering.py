"""The answer use case with its trail: whichever door asks, what came of it is written down."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from services.query_api.audit.prices import priced
from services.query_api.audit.records import answered, unanswered
from services.query_api.audit.trail import Trail
from services.query_api.generation.answers import Answer, Question, Retrieved
from shared.errors import CitewellError, Kind
from shared.problems import problem_of
from shared.settings_trail import TrailSettings

# What was asked wrongly was no question, if nothing was spent on it.
_NO_QUESTION = frozenset({Kind.INVALID, Kind.NOT_FOUND})


class AnswerPort(Protocol):
    """What answers questions in two steps; `generation.answering.Answerer` says how."""

    def model_of(self, question: Question) -> str:
        """Return the name of the model that is to answer."""
        ...

    async def retrieve(self, question: Question) -> Retrieved:
        """Return the hits an answer may rest on."""
        ...

    async def write(self, asked: Retrieved) -> Answer:
        """Write the answer from what was found."""
        ...

    def stream(self, asked: Retrieved) -> AsyncGenerator[str | Answer, None]:
        """Yield the answer's text as it is verified, then the answer."""
        ...


class RecordedAnswerer:
    """An answerer that leaves a row of each question: answered, failed, or left by its asker."""

    def __init__(self, answerer: AnswerPort, trail: Trail, settings: TrailSettings) -> None:
        """Take what answers, and what is kept of it."""
        self._answerer = answerer
        self._trail = trail
        self._settings = settings

    def model_of(self, question: Question) -> str:
        """Return the name of the model that is to answer; see `Answerer`."""
        return self._answerer.model_of(question)

    async def answer(self, question: Question) -> Answer:
        """Retrieve and write; see `Answerer`."""
        return await self.write(await self.retrieve(question))

    async def retrieve(self, question: Question) -> Retrieved:
        """Return the hits an answer may rest on; see `Answerer`."""
        async with self._noted(question):
            return await self._answerer.retrieve(question)

    async def write(self, asked: Retrieved) -> Answer:
        """Return the whole answer, with its cost and its row written; see `Answerer`."""
        async with self._noted(asked.question):
            answer = await self._answerer.write(asked)
        return await self._recorded(asked, answer)

    async def stream(self, asked: Retrieved) -> AsyncGenerator[str | Answer, None]:
        """Yield the answer's text, then the answer, with its cost and its row; see `Answerer`."""
        async with (
            self._noted(asked.question),
            aclosing(self._answerer.stream(asked)) as events,
        ):
            async for event in events:
                if isinstance(event, Answer):
                    event = await self._recorded(asked, event)  # noqa: PLW2901
                yield event

    async def _recorded(self, asked: Retrieved, answer: Answer) -> Answer:
        answer = replace(answer, usage=priced(answer.usage, self._settings.prices))
        await self._trail.put(answered(asked, answer, self._settings))
        return answer

    @asynccontextmanager
    async def _noted(self, question: Question) -> AsyncIterator[None]:
        """Leave a row if what is done here fails or is given up; if one is there it stays."""
        try:
            yield
        except Exception as error:
            wrong = isinstance(error, CitewellError) and error.kind in _NO_QUESTION
            if not wrong or question.spent.usage.model:
                code = problem_of(error).code
                await self._trail.put(unanswered(question, self._settings, "failed", code))
            raise
        except BaseException:
            self._trail.add(unanswered(question, self._settings, "left"))
            raise
