"""Which server a verb speaks to: named by option or environment, else the stack running here."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from citewell.cli.absence import NoServerKnown
from citewell.client.blocking import Client
from citewell.client.retries import Patience
from citewell.embedded.data_folder import Ready

# A person waits at the terminal: an absent server is told at once, a busy one given some time.
PATIENCE = Patience(busy_s=30.0, unreachable_s=1.0)
# Whoever follows work outlives a restart of the server.
FOLLOWING = Patience(busy_s=1800.0, unreachable_s=300.0)

# Where `citewell up` keeps its data unless told otherwise.
HERE = Path(".citewell")
_READY = TypeAdapter(Ready)


def data_folders() -> tuple[Path, Path]:
    """Return the folders in which a running stack is looked for, nearest first."""
    return HERE, Path.home() / HERE


def running_stack(folders: Sequence[Path] | None = None) -> Ready | None:
    """Return what the nearest running embedded stack says of itself."""
    for folder in folders or data_folders():
        try:
            text = (folder / "ready.json").read_bytes()
            return _READY.validate_json(text)
        except (OSError, ValidationError):
            continue
    return None


def find_server(url: str, key: str, stack: Ready | None) -> tuple[str, str]:
    """Return address and key to use; what was given wins over the stack running here.

    Raises:
        NoServerKnown: there is neither.
    """
    if url:
        is_own = stack is not None and stack.url.rstrip("/") == url.rstrip("/")
        return url, key or (stack.api_key if stack and is_own else "")
    if stack is None:
        raise NoServerKnown
    return stack.url, key or stack.api_key


def connect(url: str, key: str, patience: Patience = PATIENCE) -> Client:
    """Return a client for one verb."""
    found_url, found_key = find_server(url, key, running_stack())
    return Client(found_url, key=found_key, patience=patience)
