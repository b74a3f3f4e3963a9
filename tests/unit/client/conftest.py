"""The client's tests speak real HTTP, to a server of their own on the loopback address."""

from collections.abc import Iterator

import pytest

from tests.support.wire import Wire, forget, serving_wire


@pytest.fixture(scope="session")
def server() -> Iterator[Wire]:
    """One server a run: starting it takes longer than most tests."""
    with serving_wire() as wire:
        yield wire


@pytest.fixture
def wire(socket_enabled: None, server: Wire) -> Wire:
    """A server that answers the wire contract from memory, and remembers no other test."""
    return forget(server)
