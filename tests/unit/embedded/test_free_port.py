"""A free port stays free: nobody else is given it between the look and the server's start."""

import socket

import pytest

from citewell.embedded.parts import LOOPBACK, free_port


@pytest.fixture
def port() -> int:
    return free_port()


def test_a_server_may_listen_on_it(port: int) -> None:
    with (
        socket.create_server((LOOPBACK, port)) as server,
        socket.create_connection(server.getsockname()),
    ):
        pass


def test_whoever_looks_for_a_free_one_is_refused_it(port: int) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, port))
