"""The settings of embedding: which space, and how much of it at once."""

from pathlib import Path

from pydantic import Field, field_validator

from shared.settings_group import Paths, SettingsGroup, group_config


class EmbeddingSettings(SettingsGroup):
    """How texts become vectors."""

    model_config = group_config("EMBEDDING")

    space: str = Field(
        default="",
        description="Default space of new collections; empty: OpenAI small if a key is set, else local.",
    )
    batch_inputs: int = Field(
        default=64, ge=1, le=2048, description="Most chunks in one provider call."
    )
    batch_tokens: int = Field(
        default=100_000, ge=512, le=300_000, description="Most tokens in one provider call."
    )
    slots: int = Field(
        default=4, ge=1, description="Provider calls an embed worker has under way at once."
    )
    claim_timeout_s: float = Field(
        default=300.0,
        gt=0,
        description="Longest time for one batch of chunks, embedded and written, seconds.",
    )
    model_dirs: Paths = Field(
        default=(),
        description="Folders of ONNX models, separated by commas; each is a space `onnx/<the folder's name>`.",
    )
    threads: int = Field(
        default=2,
        ge=1,
        description="Threads of a model on this machine for documents; a question takes one.",
    )
    prices: dict[str, float] = Field(
        default_factory=dict,
        description="US dollars a million tokens by space, as JSON, instead of list prices.",
    )

    @field_validator("model_dirs")
    @classmethod
    def _name_each_folder_once(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if len({path.name for path in value}) < len(value):
            message = "two folders have the same name, which is the space's"
            raise ValueError(message)
        return value
