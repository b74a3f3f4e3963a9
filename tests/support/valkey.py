"""A real Valkey for tests, from the wheel, in a folder of the test's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from citewell.embedded.parts import free_port
from citewell.embedded.settings import EmbeddedSettings
from citewell.embedded.valkey import find_valkey, valkey_part, valkey_url
from tests.support.processes import running

PASSWORD = "test-password"  # noqa: S105 - of a server that lives as long as the test


@contextmanager
def start_valkey(folder: Path) -> Iterator[str]:
    """Start an empty server."""
    port = free_port()
    part = valkey_part(find_valkey(EmbeddedSettings()), folder / "valkey", port, PASSWORD)
    with running(part, folder / "valkey.log"):
        yield valkey_url(port, PASSWORD)
