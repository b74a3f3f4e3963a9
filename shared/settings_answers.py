"""The settings of answers: how long a model may take, how much it is shown, what becomes of claims."""

from typing import Literal

from pydantic import Field

from shared.settings_group import SettingsGroup, group_config


class AnswerSettings(SettingsGroup):
    """Answers that a chat model writes, and their verification."""

    model_config = group_config("ANSWER")

    first_token_s: float = Field(
        default=20.0,
        gt=0,
        description="Longest wait for a model's first words, tries and pauses included, seconds; then the next provider is asked.",
    )
    stall_s: float = Field(
        default=10.0, gt=0, description="Longest wait between two pieces of an answer, seconds."
    )
    condense_s: float = Field(
        default=5.0,
        gt=0,
        description="Longest wait for the model that makes a follow-up self-contained, seconds; then words of the question before are added.",
    )
    context_tokens: int = Field(
        default=12_000,
        ge=500,
        description="Most tokens of passages in a prompt, in the embedding space's own; the best passages come first, and the answer says `degraded: [context]` where some had no room.",
    )
    unsupported: Literal["drop", "mark"] = Field(
        default="drop",
        description="What becomes of a sentence that no passage holds up: left out, or shown with `[unsupported]` behind it.",
    )
