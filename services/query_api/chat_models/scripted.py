"""The double: says what it was told to say, and remembers what it was asked."""

import asyncio
from collections.abc import Callable

from services.query_api.chat_models.base import Completion, Prompt
from services.query_api.chat_models.errors import AnswerUnusable
from shared.errors import GenerationTimedOut

Script = str | Exception | Callable[[Prompt], str]


class ScriptedChatModel:
    """Answers with its script: a text, an error to raise, or a function of the prompt.

    `delay_s` passes before each answer. `prompts` holds what was asked, oldest first.
    """

    def __init__(self, script: Script, *, delay_s: float = 0.0, name: str = "scripted") -> None:
        """Take the script."""
        self.script = script
        self.delay_s = delay_s
        self.prompts: list[Prompt] = []
        self._name = name

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    async def complete(self, prompt: Prompt, *, budget_s: float) -> Completion:
        """Say the script."""
        self.prompts.append(prompt)
        await asyncio.sleep(min(self.delay_s, budget_s))
        if self.delay_s > budget_s:
            raise GenerationTimedOut
        if isinstance(self.script, Exception):
            raise self.script
        text = self.script if isinstance(self.script, str) else self.script(prompt)
        if not text.strip():
            raise AnswerUnusable("The model sent an empty answer.")
        asked = sum(len(message.content.split()) for message in prompt.messages)
        return Completion(text, prompt.model or self._name, asked, len(text.split()))

    async def aclose(self) -> None:
        """Nothing is open."""
