"""How a group of settings is read: from the environment, then from secret files.

A group is a class of its own for each outside thing; `shared.settings` holds them.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

# Where files named like settings, in small letters, hold what the environment does not say.
SECRETS_DIR = "CITEWELL_SECRETS_DIR"
DEFAULT_SECRETS_DIR = "/run/secrets"


def split_at_commas(value: object) -> object:
    """Return the parts of a string between commas, anything else as it is."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


# In the environment: separated by commas.
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(split_at_commas)]


def group_config(name: str) -> SettingsConfigDict:
    """Return how a group is read whose variables begin with `CITEWELL_` and this name."""
    return SettingsConfigDict(
        env_prefix=f"CITEWELL_{name}_",
        # Compose hands on a variable that nobody set as an empty one.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )


class SettingsGroup(BaseSettings):
    """One outside thing's settings, from the environment, then from secret files."""

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Look for files where the environment says, if there is such a folder."""
        folder = secrets_folder()
        if folder is None:
            return init_settings, env_settings
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, folder)

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the environment variable of a field."""
        alias = cls.model_fields[field].validation_alias
        return (
            alias if isinstance(alias, str) else f"{cls.model_config['env_prefix']}{field.upper()}"
        )


def secrets_folder() -> Path | None:
    """Return the folder of secret files, None where there is none."""
    folder = Path(os.environ.get(SECRETS_DIR) or DEFAULT_SECRETS_DIR)  # noqa: TID251 - here they are read
    return folder if folder.is_dir() else None
