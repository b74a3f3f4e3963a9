"""What OpenAI's clients send, read: places in lists, files to attach, what is not known here."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from services.ingest_worker.attributes import checked_attributes
from services.ingest_worker.openai_compat.schemas import (
    ChunkingStrategy,
    FileBatchRequest,
    FileStatus,
)
from services.ingest_worker.schemas import NO_NUL
from services.ingest_worker.uploads.attaching import Attachment
from shared.errors import InvalidInput, NotFound
from shared.openai_ids import read_file_id

PURPOSES = ("assistants", "user_data")
FILE_FIELDS = frozenset({"purpose"})

Order = Annotated[Literal["asc", "desc"], Field(description="By `created_at`.")]
Place = Annotated[str | None, Field(max_length=100, description="An id of the same list.")]


class FileQuery(BaseModel):
    """Which page of the kept files."""

    after: Place = None
    limit: int = Field(default=1000, ge=1, le=10_000, description="Most items of a page.")
    order: Order = "desc"
    purpose: Annotated[str | None, Field(max_length=64, pattern=NO_NUL)] = None


class ListQuery(BaseModel):
    """Which page of another list."""

    after: Place = None
    before: Place = None
    limit: int = Field(default=20, ge=1, le=100, description="Most items of a page.")
    order: Order = "desc"


class StoreFileQuery(ListQuery):
    """Which page of a store's files, and which of them."""

    filter: FileStatus | None = Field(default=None, description="Only files of this status.")


FileListing = Annotated[FileQuery, Query()]
Listing = Annotated[ListQuery, Query()]
StoreFileListing = Annotated[StoreFileQuery, Query()]


def read_place(name: str, sent: str | None, read: Callable[[str], UUID]) -> UUID | None:
    """Return the id that a list goes on at.

    Raises:
        InvalidInput: it is no such id.
    """
    try:
        return None if sent is None else read(sent)
    except NotFound as error:
        raise InvalidInput(f"{name}: {error.detail}") from error


def read_purpose(fields: Mapping[str, str]) -> str:
    """Return the purpose of a file from the fields it came with.

    Raises:
        InvalidInput: it is none that is known here, or another field came.
    """
    unknown = sorted(set(fields) - FILE_FIELDS)
    if unknown:
        raise InvalidInput(f"{unknown[0]}: not known here; send `file` and `purpose`.")
    purpose = fields.get("purpose", "")
    if purpose not in PURPOSES:
        raise InvalidInput(f"purpose: one of {', '.join(PURPOSES)}.")
    return purpose


def refuse_expiry(expires_after: Mapping[str, Any] | None) -> None:
    """Return unless something is to expire.

    Raises:
        InvalidInput: it is.
    """
    if expires_after is not None:
        raise InvalidInput("expires_after: nothing expires by itself here; leave it out.")


def refuse_static(strategy: ChunkingStrategy | None) -> None:
    """Return unless files are to be cut otherwise than their store's space suggests.

    Raises:
        InvalidInput: they are.
    """
    if strategy is not None and strategy.type != "auto":
        raise InvalidInput(
            "chunking_strategy: `auto` is the only one; sizes follow the store's embedding space,"
            " and a reindex of its collection changes them."
        )


def attachment(file_id: str, attributes: Mapping[str, Any] | None) -> Attachment:
    """Return a file to attach.

    Raises:
        NotFound: it is no id of a file.
        InvalidInput: an attribute cannot be stored.
    """
    checked = None if attributes is None else checked_attributes(attributes)
    return Attachment(read_file_id(file_id), checked)


def attachments(
    file_ids: Iterable[str], attributes: Mapping[str, Any] | None = None
) -> list[Attachment]:
    """Return files to attach, once each, all with the same attributes; raises as `attachment`."""
    return [attachment(one, attributes) for one in dict.fromkeys(file_ids)]


def batch_attachments(wish: FileBatchRequest) -> list[Attachment]:
    """Return the files of a batch, once each.

    Raises:
        NotFound: one is no id of a file.
        InvalidInput: there are none, or both ways of naming them; or as `attachment`.
    """
    if bool(wish.file_ids) == bool(wish.files):
        raise InvalidInput("file_ids: send either `file_ids` or `files`, with at least one file.")
    refuse_static(wish.chunking_strategy)
    if wish.file_ids:
        return attachments(wish.file_ids, wish.attributes)
    files = {one.file_id: one for one in wish.files or ()}
    for one in files.values():
        refuse_static(one.chunking_strategy)
    return [attachment(one.file_id, one.attributes) for one in files.values()]
