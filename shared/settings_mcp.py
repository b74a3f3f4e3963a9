"""The settings of the door for MCP clients."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from shared.settings_group import SettingsGroup, group_config, split_at_commas


class McpSettings(SettingsGroup):
    """The MCP door of the query service."""

    model_config = group_config("MCP")

    ingest_url: str = Field(
        default="",
        description="Where the query service has pages drawn, such as `http://ingest:8000`; empty: pages come as text alone.",
    )
    picture_timeout_s: float = Field(
        default=10.0, gt=0, description="Longest wait for a drawn page, seconds; then text must do."
    )
    picture_pixels: int = Field(
        default=1200, ge=64, le=3000, description="Most pixels along a side of a drawn page."
    )
    origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_at_commas)] = Field(
        default=(),
        description="Other web origins whose pages may come in, such as `https://app.example.com`, separated by commas.",
    )
