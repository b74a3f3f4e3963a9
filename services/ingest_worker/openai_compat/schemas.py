"""The wire of the OpenAI-compatible door, as OpenAI's clients send and read it."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
)

from services.ingest_worker.schemas import NO_NUL, Request

Item = TypeVar("Item")
Short = Annotated[str, StringConstraints(max_length=512, pattern=NO_NUL)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
Metadata = Annotated[dict[Key, Short], Field(max_length=16)]
FileId = Annotated[str, StringConstraints(max_length=100)]
FileStatus = Literal["in_progress", "completed", "cancelled", "failed"]

MOST_FILES = 2000


Attributes = Annotated[
    dict[
        Key,
        Annotated[StrictStr, Field(max_length=512)] | StrictBool | StrictInt | StrictFloat,
    ],
    Field(max_length=16, description="For filters: texts, numbers, booleans."),
]


class ChunkingStrategy(Request):
    """How files are cut; only `auto` is known, by the embedding space of the store."""

    type: Literal["auto", "static"]
    static: dict[str, Any] | None = None


class ListResponse(BaseModel, Generic[Item]):
    """A page of a list."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileObject(BaseModel):
    """A kept file."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int = Field(description="Seconds since 1970.")
    filename: str
    purpose: str
    status: Literal["processed"] = Field(
        default="processed", description="A kept file is whole; a store reads it when it gets it."
    )
    expires_at: None = None


class FileDeleted(BaseModel):
    """A kept file is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class FileForm(BaseModel):
    """The fields of an upload to `files`."""

    file: Annotated[bytes, Field(json_schema_extra={"format": "binary"})]
    purpose: Literal["assistants", "user_data"]


class FileCounts(BaseModel):
    """How many files are how far."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class VectorStore(BaseModel):
    """A store: a collection whose name is its id."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    description: str
    usage_bytes: int = Field(description="The bytes of its files as they came.")
    file_counts: FileCounts
    status: Literal["in_progress", "completed"]
    metadata: dict[str, str]
    expires_after: None = None
    expires_at: None = None
    last_active_at: None = Field(default=None, description="Not noted here.")


class VectorStoreDeleted(BaseModel):
    """A store is gone."""

    id: str
    object: Literal["vector_store.deleted"] = "vector_store.deleted"
    deleted: bool = True


class VectorStoreRequest(Request):
    """What a store is to be."""

    name: Short | None = None
    description: Short | None = None
    metadata: Metadata | None = None
    file_ids: Annotated[list[FileId], Field(max_length=MOST_FILES)] | None = None
    chunking_strategy: ChunkingStrategy | None = None
    expires_after: dict[str, Any] | None = Field(default=None, description="Refused.")


class VectorStorePatch(Request):
    """What of a store is to change; null leaves it as it is."""

    name: Short | None = None
    metadata: Metadata | None = None
    expires_after: dict[str, Any] | None = Field(default=None, description="Refused.")


class LastError(BaseModel):
    """Why a file could not be read."""

    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str = Field(description="The problem's code, and what happened.")


class VectorStoreFile(BaseModel):
    """A file of a store: a document of its collection."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    created_at: int
    vector_store_id: str
    status: FileStatus
    last_error: LastError | None
    usage_bytes: int
    attributes: dict[str, Any]


class VectorStoreFileDeleted(BaseModel):
    """A file is no longer in a store."""

    id: str
    object: Literal["vector_store.file.deleted"] = "vector_store.file.deleted"
    deleted: bool = True


class VectorStoreFileRequest(Request):
    """A file to put into a store."""

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None


class VectorStoreFilePatch(Request):
    """The attributes a file of a store is to have, in the place of those it has."""

    attributes: Attributes | None


class FileBatchRequest(Request):
    """Files to put into a store at once: `file_ids`, or `files` with attributes of their own."""

    file_ids: Annotated[list[FileId], Field(max_length=MOST_FILES)] | None = None
    files: Annotated[list[VectorStoreFileRequest], Field(max_length=MOST_FILES)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None


class FileBatch(BaseModel):
    """Files that were put into a store at once."""

    id: str
    object: Literal["vector_store.files_batch"] = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: Literal["in_progress", "completed", "cancelled", "failed"]
    file_counts: FileCounts


class TextPiece(BaseModel):
    """The text of a page."""

    type: Literal["text"] = "text"
    text: str


class FileContentPage(BaseModel):
    """All text that was read of a file."""

    object: Literal["vector_store.file_content.page"] = "vector_store.file_content.page"
    data: list[TextPiece]
    has_more: bool = False
    next_page: None = None
