"""The settings of reranking: how many hits, and how long it may take."""

from pydantic import Field

from shared.settings_group import SettingsGroup, group_config


class RerankSettings(SettingsGroup):
    """Searches with `rerank`: the best hits read again by a cross-encoder on this machine."""

    model_config = group_config("RERANK")

    candidates: int = Field(
        default=20, ge=1, le=100, description="Hits that are read again, the first in fused order."
    )
    budget_ms: int = Field(
        default=1000,
        ge=1,
        le=30_000,
        description="Longest time for it, waiting for other searches included, milliseconds; what is not read by then keeps its place.",
    )
    threads: int = Field(default=2, ge=1, description="Threads of the model on this machine.")
    warm: bool = Field(
        default=False,
        description="Load the model when the query service starts, not with the first search that reranks.",
    )
