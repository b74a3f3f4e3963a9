"""How large a drill is, and by which dice: from the environment, as CONTRIBUTING.md lists it."""

import random

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DrillSettings(BaseSettings):
    """The size of the long drills; the short ones have theirs in the tests."""

    model_config = SettingsConfigDict(env_prefix="CITEWELL_TEST_DRILL_", frozen=True)

    seed: int = Field(default_factory=lambda: random.SystemRandom().randrange(1_000_000))
    count: int = Field(default=1000, ge=20)
    rounds: int = Field(default=3, ge=1)
    queries: int = Field(default=10_000, ge=100)
    backlog: int = Field(default=50_000, ge=1000)
