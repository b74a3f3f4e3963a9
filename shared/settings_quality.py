"""The settings of the quality watch: how often, how much, and what counts as worse."""

from pydantic import Field

from shared.settings_group import SettingsGroup, group_config


class QualitySettings(SettingsGroup):
    """Canary questions, asked of every collection by the clock."""

    model_config = group_config("QUALITY")

    url: str = Field(
        default="",
        description="Where the clock reaches the query service, such as `http://query:8000`; empty: only who calls `POST /v1/quality/run` asks the canaries.",
    )
    every_s: float = Field(default=3600.0, ge=10, description="Seconds between two ticks.")
    questions: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Most canaries of a collection; each is one provider call a tick where the space is a provider's.",
    )
    collections: int = Field(
        default=100,
        ge=1,
        description="Most collections of a tenant in one tick, the least recently watched first.",
    )
    keep: int = Field(default=500, ge=20, description="Ticks kept of a collection.")
    series: int = Field(
        default=100,
        ge=0,
        description="Most collections in the metrics of the watch, degraded ones first.",
    )
    least_recall: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Recall below which a collection is degraded, whatever it was before.",
    )
    recall_drop: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="Fall of recall@10, of any mode, below its baseline that is degraded.",
    )
    mrr_drop: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Fall of the mean reciprocal rank, of any mode, that is degraded.",
    )
    cosine_drift: float = Field(
        default=0.01,
        gt=0,
        le=2,
        description="Change of the expected hits' cosines since their first good tick, up or down, the median over canaries, that is degraded.",
    )
    relevance_drop: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="Fall of the best hits' mean relevance that is degraded.",
    )
    abstain_rise: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Rise of the share of canaries without a hit above the floor that is degraded.",
    )
