"""Ids as OpenAI's clients know them: `file-…`, `vs_…` and `vsfb_…`, each with a UUID behind it."""

import re
from functools import partial
from uuid import UUID

from shared.errors import NotFound

_HEX = re.compile(r"[0-9a-f]{32}")
FILE, STORE, BATCH = "file-", "vs_", "vsfb_"
_WHAT = {FILE: "file", STORE: "vector store", BATCH: "file batch"}


def _shown(prefix: str, of: UUID) -> str:
    return f"{prefix}{of.hex}"


def _read(prefix: str, sent: str) -> UUID:
    if not sent.startswith(prefix) or not _HEX.fullmatch(sent.removeprefix(prefix)):
        # What was sent is of any length, and goes back where it came from.
        raise NotFound(f"There is no {_WHAT[prefix]} {sent[:80]!r}.")
    return UUID(hex=sent.removeprefix(prefix))


def is_store_name(name: str) -> bool:
    """Tell whether a collection of this name is a vector store."""
    return name.startswith(STORE) and _HEX.fullmatch(name.removeprefix(STORE)) is not None


# `shown_…` of a UUID gives the id, `read_…` of an id the UUID; NotFound where it is no such id.
shown_file_id, read_file_id = partial(_shown, FILE), partial(_read, FILE)
# A store's id is its collection's name.
shown_store_id, read_store_id = partial(_shown, STORE), partial(_read, STORE)
shown_batch_id, read_batch_id = partial(_shown, BATCH), partial(_read, BATCH)
