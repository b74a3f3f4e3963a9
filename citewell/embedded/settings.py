"""Settings of the embedded stack alone, read once when it starts."""

from pathlib import Path

from pydantic import Field

from shared.settings_group import SettingsGroup, group_config


class EmbeddedSettings(SettingsGroup):
    """Which binaries the embedded stack runs, and as whom."""

    model_config = group_config("EMBEDDED")

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
