"""The wire of the ingest service: what is sent and answered, as OpenAPI tells it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.ingest_worker.attributes import FieldType
from services.ingest_worker.uploads.form import checked_options
from shared.auth.principal import Scope
from shared.models import (
    Box,
    Completeness,
    JobState,
    JobWarning,
    ParseOptions,
    Problem,
    Stage,
    WaitingFor,
)

COLLECTION_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
# Postgres stores no NUL.
NO_NUL = r"^[^\x00]*$"

CollectionName = Annotated[str, StringConstraints(pattern=COLLECTION_NAME)]
ShortText = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]
Item = TypeVar("Item")


class Request(BaseModel):
    """A body; what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Send it as `cursor`; null on the last page.")


class CollectionRequest(Request):
    """What a collection is to be; all may be left out."""

    space: ShortText | None = Field(
        default=None, description="Embedding space, such as `local/bge-small-en-v1.5`."
    )
    description: ShortText | None = Field(default=None, description="For people; not searched.")
    fields: dict[ShortText, FieldType] | None = Field(
        default=None, description="Types of attributes; else the first value fixes the type."
    )


class CollectionResponse(BaseModel):
    """A collection."""

    name: str
    description: str
    space: str = Field(description="Its embedding space; vectors of two never mix.")
    fields: Mapping[str, str] = Field(description="The type of each attribute known so far.")
    documents: int = Field(description="How many there are.")
    created_at: datetime


class UploadedFile(BaseModel):
    """What became of one file; a refused one has a problem and no job."""

    job_id: UUID | None = Field(description="Null for a refused file.")
    document_id: UUID | None = Field(description="Null for a refused file.")
    version: int | None = Field(description="Null for a refused file.")
    filename: str = Field(description="As sent.")
    state: JobState = Field(
        description="`queued`, `succeeded` (no work to do) or `failed` (refused)."
    )
    duplicate_of: UUID | None = Field(
        default=None, description="The job that did the work for these very bytes."
    )
    problem: Problem | None = Field(default=None, description="Why the file was refused.")


class UploadResponse(BaseModel):
    """A committed upload: one entry for each file, in the order they came."""

    batch_id: UUID
    jobs: list[UploadedFile]


class DocumentResponse(BaseModel):
    """A document; `state` is that of its newest version."""

    id: UUID
    collection: str
    name: str = Field(description="As sent.")
    attributes: Mapping[str, Any] = Field(description="For filters.")
    live_version: int | None = Field(description="The version that queries see; null: none yet.")
    newest_version: int = Field(description="Its number; it need not be live.")
    state: JobState
    job_id: UUID = Field(description="The newest version's job.")
    media_type: str = Field(description="As its bytes tell.")
    pages: int | None = Field(description="Null until it is known.")
    size: int = Field(description="Bytes of the newest version.")
    created_at: datetime
    updated_at: datetime


class DocumentPatch(Request):
    """Changes to attributes, merged as RFC 7396 says: null removes a name."""

    attributes: dict[str, Any] = Field(description="Those to set; null removes one.")


class VersionResponse(BaseModel):
    """A version of a document."""

    version: int = Field(description="Counts from 1.")
    live: bool = Field(description="Whether queries see it.")
    state: JobState
    job_id: UUID | None = Field(description="Null for a version without work of its own.")
    media_type: str = Field(description="As its bytes tell.")
    pages: int | None = Field(description="Null until it is known.")
    parser: str = Field(description="What read it; empty before that.")
    options: ParseOptions = Field(description="How it was to be read.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Of the bytes, hexadecimal.")
    created_at: datetime


class ChunkResponse(BaseModel):
    """A chunk of a live version."""

    id: UUID
    document_id: UUID
    version: int
    ordinal: int = Field(description="Its place in the version, from 0.")
    text: str
    tokens: int = Field(description="In the embedding space's own tokens.")
    page_start: int
    page_end: int = Field(description="The same as `page_start`, or the next page.")
    section: Sequence[str] = Field(description="Headings above it, outermost first.")
    boxes: Sequence[Box] = Field(
        description="Where on its pages it stands; empty where a format has no places."
    )


class ChunkWithNeighbours(ChunkResponse):
    """A chunk, and those before and after it in the document."""

    before: list[ChunkResponse] = Field(description="In the document's order.")
    after: list[ChunkResponse] = Field(description="In the document's order.")


class Progress(BaseModel):
    """So many of so many."""

    done: int
    total: int


class Usage(BaseModel):
    """What embedding a job cost."""

    tokens: int = Field(default=0, description="Tokens embedded.")
    provider_calls: int = Field(
        default=0, description="Calls of the embedder that held a new text of it."
    )
    cached: int = Field(default=0, description="Chunks whose text was known already.")


class JobResponse(BaseModel):
    """A job."""

    id: UUID
    document_id: UUID
    batch_id: UUID
    version: int = Field(description="The version it makes.")
    filename: str = Field(description="As sent.")
    duplicate_of: UUID | None = Field(
        default=None, description="The job that did the work for these very bytes."
    )
    state: JobState
    stage: Stage = Field(description="How far in its work it is.")
    revision: int = Field(description="Rises with each change; send it as `since`.")
    pages: Progress = Field(description="Pages read; `total` is 0 until it is known.")
    chunks: Progress = Field(description="Chunks embedded; `total` is 0 until it is known.")
    attempts: int = Field(description="How often work on it began again.")
    waiting_for: WaitingFor | None = Field(
        default=None, description="Why it does not move; null while it does."
    )
    eta_s: float | None = Field(
        default=None,
        description="Seconds to its turn or to the end of its stage; null when unknown.",
    )
    timings: Mapping[str, float] = Field(description="Milliseconds of each stage.")
    usage: Usage = Field(description="What embedding cost.")
    warnings: list[JobWarning] = Field(description="What to know although it succeeded.")
    completeness: Completeness | None = Field(
        default=None, description="What of the file was read; null before that."
    )
    problem: Problem | None = Field(default=None, description="Why it failed.")
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(default=None, description="Null while it is open.")


class RetryRequest(Request):
    """How to read the file this time; without it as before."""

    options: ParseOptions | None = Field(
        default=None, description="Makes a new version if they differ."
    )
    password: Annotated[str, StringConstraints(max_length=1024, pattern=NO_NUL)] | None = None

    def changes(self) -> dict[str, object]:
        """Return the options that were sent, checked, and the password among them.

        Raises:
            InvalidInput: an option cannot be stored or looked up.
        """
        sent = checked_options(self.options).model_dump(exclude_unset=True) if self.options else {}
        return sent | ({"password": self.password} if self.password else {})


class BatchRetryRequest(RetryRequest):
    """Which of a batch's jobs to open again, and how to read their files this time."""

    code: ShortText | None = Field(
        default=None, description="Only failed jobs with this problem; else cancelled ones too."
    )


class JobsRetryRequest(RetryRequest):
    """Which failed jobs to open again, of whichever batch; what is left out lets all through."""

    code: ShortText | None = Field(default=None, description="Code of the job's problem.")
    retryable: bool | None = Field(
        default=None, description="Whether the problem says that retrying helps."
    )
    collection: CollectionName | None = None
    batch: UUID | None = None
    cursor: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="`next_cursor` of the call before."
    )
    limit: int = Field(default=1000, ge=1, le=1000, description="Most jobs of one call.")


class JobsRetryResponse(BaseModel):
    """What one call opened again."""

    retried: int
    passed_over: int = Field(
        description="Open or gone by now, or their documents have newer versions."
    )
    next_cursor: str | None = Field(description="Send it as `cursor`; null when all are done.")


class BatchResponse(BaseModel):
    """A batch; its counts sum to `total` at every moment."""

    id: UUID
    collection: str
    total: int = Field(description="Its jobs; refused files have none.")
    sealed: bool = Field(description="False while archives may still add jobs.")
    paused: bool = Field(description="Whether its waiting work is held back.")
    revision: int = Field(description="Rises with each change of one of its jobs.")
    counts: dict[JobState, int] = Field(description="Jobs by state.")
    throughput: float = Field(
        description="Jobs that work ended a second, over the last minute at most."
    )
    eta_s: float | None = Field(
        default=None,
        description="Seconds to the end, from `throughput`; null when it is unknown.",
    )
    created_at: datetime
    finished_at: datetime | None = Field(
        default=None, description="When the last job ended; null while one is open."
    )


class UsageSumsResponse(BaseModel):
    """What is held now, and what the jobs of the asked span took."""

    documents: int
    versions: int
    chunks: int = Field(description="Chunks of live versions.")
    stored_bytes: int = Field(description="Each content once, however many documents share it.")
    jobs: dict[JobState, int]
    embedding: Usage


class CollectionUsageResponse(UsageSumsResponse):
    """A collection's own sums."""

    name: str


class KeyRequest(Request):
    """A key to make for the caller's tenant."""

    scopes: Annotated[list[Scope], Field(min_length=1)]
    description: ShortText = ""
    expires_at: AwareDatetime | None = Field(
        default=None, description="With a time zone; null: never."
    )


class KeyResponse(BaseModel):
    """A key without its secret."""

    id: UUID
    prefix: str = Field(description="The key's first characters.")
    scopes: list[Scope]
    description: str
    created_at: datetime
    expires_at: datetime | None = None


class NewKeyResponse(KeyResponse):
    """A new key; `key` is shown this once."""

    key: str = Field(description="The secret, shown this once.")


OnDuplicateField = Literal["replace", "skip", "new"]


class UploadForm(BaseModel):
    """The multipart body of an upload, for the OpenAPI document; its fields come in any order."""

    file: list[str] = Field(
        min_length=1,
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
        description="Repeated, one for each file. The file name is kept as sent.",
    )
    collection: str = Field(default="default", pattern=COLLECTION_NAME)
    attributes: str = Field(
        default="{}", description="JSON object; holds for every document of the request."
    )
    on_duplicate: OnDuplicateField = Field(
        default="replace", description="Where the collection has a document of that name."
    )
    options: str = Field(
        default="{}", description='JSON object, such as `{"ocr": true, "language": "en"}`.'
    )
    password: str | None = Field(default=None, description="Opens protected files.")
