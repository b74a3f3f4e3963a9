"""How large a drill is, and by which dice: from the environment, as CONTRIBUTING.md lists it."""

import random
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FuzzSettings(BaseSettings):
    """How long spoilt files are thrown at the parsers, which, and by which dice."""

    model_config = SettingsConfigDict(env_prefix="CITEWELL_TEST_FUZZ_", frozen=True)

    seed: int = Field(default_factory=lambda: random.SystemRandom().randrange(1_000_000))
    minutes: float = Field(default=5, gt=0)
    folder: Path | None = None
    only: str = ""


class DrillSettings(BaseSettings):
    """The size of the long drills; the short ones have theirs in the tests."""

    model_config = SettingsConfigDict(env_prefix="CITEWELL_TEST_DRILL_", frozen=True)

    seed: int = Field(default_factory=lambda: random.SystemRandom().randrange(1_000_000))
    count: int = Field(default=1000, ge=20)
    rounds: int = Field(default=3, ge=1)
    queries: int = Field(default=10_000, ge=100)
    backlog: int = Field(default=50_000, ge=1000)
