"""The deployment that the compose file's drills share."""

import time
from collections.abc import Iterator

import pytest

from citewell.client import Client, Patience
from tests.support.compose import Deployment, deployed


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with deployed() as deployment:
        began = time.monotonic()
        deployment.compose("up", "-d", "--build", "--wait")
        print(f"up, built and healthy after {time.monotonic() - began:.1f} s")
        yield deployment


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    with Client(
        deployment.url, key=deployment.secret("citewell_bootstrap_key"), patience=Patience()
    ) as client:
        yield client
