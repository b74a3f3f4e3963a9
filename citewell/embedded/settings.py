"""Settings of the embedded stack alone, read once when it starts."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EmbeddedSettings(BaseSettings):
    """Which binaries the embedded stack runs, and as whom."""

    model_config = SettingsConfigDict(env_prefix="CITEWELL_EMBEDDED_", extra="ignore", frozen=True)

    postgres_bin: Path | None = Field(
        default=None,
        description="Folder with `postgres` and `initdb`, instead of the wheel's or the system's.",
    )
    postgres_user: str = Field(
        default="",
        description="As root: the user the database runs as; empty: `postgres`, else `nobody`.",
    )
    valkey_server: Path | None = Field(
        default=None,
        description="A `valkey-server` or `redis-server`, instead of the wheel's or the system's.",
    )
