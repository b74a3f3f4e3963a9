"""Fixtures of the drills: the dice, and a stack that those may share who leave it as it was."""

from collections.abc import Iterator

import pytest

from tests.faults.kit.ground import SHORT, Ground, ground
from tests.faults.kit.settings import DrillSettings, FuzzSettings


@pytest.fixture(scope="session")
def drill() -> DrillSettings:
    return DrillSettings()


@pytest.fixture
def seed(drill: DrillSettings) -> int:
    print(f"seed {drill.seed}: CITEWELL_TEST_DRILL_SEED={drill.seed} throws the same dice")
    return drill.seed


@pytest.fixture
def fuzzing() -> FuzzSettings:
    settings = FuzzSettings()
    print(f"seed {settings.seed}: CITEWELL_TEST_FUZZ_SEED={settings.seed} throws the same files")
    return settings


@pytest.fixture(scope="session")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A stack with the short leases; each who uses it takes names of its own."""
    with ground(tmp_path_factory.mktemp("field"), SHORT) as field:
        yield field
