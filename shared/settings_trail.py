"""What is kept of answers, for how long, and what models cost."""

from pydantic import BaseModel, ConfigDict, Field

from shared.settings_group import SettingsGroup, group_config


class Price(BaseModel):
    """What a model costs, in any one currency, for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class TrailSettings(SettingsGroup):
    """The trail of answers."""

    model_config = group_config("TRAIL")

    days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days for which it is kept what an answer rested on, and what was said of it.",
    )
    keep_questions: bool = Field(
        default=False,
        description="Keep the question's words with it; they are the askers', and may be personal.",
    )
    keep_texts: bool = Field(
        default=False,
        description="Keep the answer's words with it; they go with the first of its documents that is deleted.",
    )
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description='Cost of a million tokens by model, such as `{"gpt-5-mini": {"input": 0.25, "output": 2}}`; a model that is not named has no cost, rather than a wrong one.',
    )
