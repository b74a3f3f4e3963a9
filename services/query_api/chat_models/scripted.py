"""The double: says what it was told to say, and remembers what it was asked."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence

from services.query_api.chat_models.backoff import retried
from services.query_api.chat_models.base import Completion, Deadlines, Prompt
from services.query_api.chat_models.errors import AnswerUnusable

Line = str | Exception
Script = Line | Sequence[Line] | Callable[[Prompt], str]

_WORD = re.compile(r"\s*\S+|\s+")


class ScriptedChatModel:
    """Answers with its script: a text, an error to raise, several of them, or a function.

    A text is written word by word. `delay_s` passes before each answer, `pause_s` after each line
    of several. `prompts` holds what was asked, oldest first.
    """

    def __init__(self, script: Script, *, delay_s: float = 0.0, name: str = "scripted") -> None:
        """Take the script; a function is given the prompt."""
        self.script = script
        self.delay_s = delay_s
        self.pause_s = 0.0
        self.prompts: list[Prompt] = []
        self._name = name

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def stream(
        self, prompt: Prompt, deadlines: Deadlines
    ) -> AsyncGenerator[str | Completion, None]:
        """Say the script."""
        self.prompts.append(prompt)
        return retried(lambda: self._stream(prompt), deadlines, tries=1)

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _stream(self, prompt: Prompt) -> AsyncGenerator[str | Completion, None]:
        call = prompt.spent.call(prompt.model or self._name)
        await asyncio.sleep(self.delay_s)
        said = ""
        for line in self._lines(prompt):
            if isinstance(line, Exception):
                raise line
            said += line
            for word in _WORD.findall(line):
                yield word
            await asyncio.sleep(self.pause_s)
        if not said.strip():
            raise AnswerUnusable("The model sent an empty answer.")
        call.prompt_tokens = sum(len(message.content.split()) for message in prompt.messages)
        call.completion_tokens = len(said.split())
        yield Completion(call.model)

    def _lines(self, prompt: Prompt) -> Sequence[Line]:
        if callable(self.script):
            return [self.script(prompt)]
        return [self.script] if isinstance(self.script, str | Exception) else self.script
