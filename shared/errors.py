"""Every error Citewell raises on purpose: what went wrong, if retrying helps, who must act.

Raised anywhere; the edges (HTTP doors, the job row, the command line) turn one into a `Problem`.

    CitewellError
    ├── InvalidInput        the request or the file is wrong; the sender must change it
    ├── Unauthenticated, Forbidden, NotFound, Conflict, RateLimited
    ├── FileRejected        one file cannot be ingested; the others are not affected
    └── Unavailable         a part we depend on is down, slow or full; usually passes
        └── UpstreamFailed, UpstreamTimedOut
"""

import re
from enum import StrEnum
from typing import ClassVar, Literal

Who = Literal["user", "operator", "nobody"]


class Kind(StrEnum):
    """What sort of failure it is: this one word decides the HTTP status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    UPSTREAM_FAILED = "upstream_failed"
    UNAVAILABLE = "unavailable"
    UPSTREAM_TIMED_OUT = "upstream_timed_out"
    STORAGE_FULL = "storage_full"
    INTERNAL = "internal"


class CitewellError(Exception):
    """Something failed that Citewell has no better word for; the operator's log says more."""

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.INTERNAL
    retryable: ClassVar[bool] = False
    who: ClassVar[Who] = "operator"
    hint: ClassVar[str] = "Look for the request id in the service's log."

    def __init__(
        self,
        detail: str | None = None,
        *,
        page: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Say what happened in one sentence; without it the docstring's first line stands."""
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.page = page
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """Return the class name as words: `FileEncrypted` is "File encrypted"."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).capitalize()


class InvalidInput(CitewellError):
    """The request is not valid."""

    code = "invalid_request"
    kind = Kind.INVALID
    who: ClassVar[Who] = "user"
    hint = "Change what the detail names and send it again."


class PayloadTooLarge(InvalidInput):
    """What was sent is larger than this deployment accepts."""

    code = "file_too_large"
    kind = Kind.TOO_LARGE
    hint = "Split the file, or ask the operator to raise the limit."


class Unauthenticated(CitewellError):
    """No valid credential came with the request."""

    code = "unauthenticated"
    kind = Kind.UNAUTHENTICATED
    who: ClassVar[Who] = "user"
    hint = "Send `Authorization: Bearer <API key or JWT>`."


class Forbidden(CitewellError):
    """The credential is valid but lacks the scope this call needs."""

    code = "forbidden"
    kind = Kind.FORBIDDEN
    who: ClassVar[Who] = "user"
    hint = "Use a key whose scopes include the one the detail names."


class NotFound(CitewellError):
    """There is nothing of that name or id that you may see."""

    code = "not_found"
    kind = Kind.NOT_FOUND
    who: ClassVar[Who] = "user"
    hint = "Check the id or name; deleted things answer like this too."


class Conflict(CitewellError):
    """The request does not fit the present state."""

    code = "conflict"
    kind = Kind.CONFLICT
    who: ClassVar[Who] = "user"
    hint = "Read the current state and decide again."


class RequestUnderWay(Conflict):
    """A request with this `Idempotency-Key` has not been answered yet."""

    retryable = True
    who: ClassVar[Who] = "nobody"
    hint = "Wait the seconds in `Retry-After`, then send the same request again."


class KeyUsedDifferently(Conflict):
    """This `Idempotency-Key` came with other fields or files before."""

    hint = "Send a new request under a key of its own."


class BytesLost(NotFound):
    """The bytes of this version are no longer in the blob store."""

    hint = "Upload the same file again: every version with these bytes has them back."


class RateLimited(CitewellError):
    """Too many requests or too much queued work; wait as told."""

    code = "rate_limited"
    kind = Kind.RATE_LIMITED
    retryable = True
    who: ClassVar[Who] = "nobody"
    hint = "Wait the seconds in `Retry-After`, then send it again."


class QuotaExceeded(CitewellError):
    """The provider account has no quota left."""

    code = "quota_exceeded"
    kind = Kind.RATE_LIMITED
    retryable = True
    hint = "Raise the provider's quota; parked work goes on by itself afterwards."


class FileRejected(CitewellError):
    """One file cannot be ingested as it is."""

    code = "file_corrupt"
    kind = Kind.INVALID
    who: ClassVar[Who] = "user"
    hint = "Open the file in its own program, save it anew and upload that."


class FileCorrupt(FileRejected):
    """The file's bytes are damaged or cut short."""


class FileEncrypted(FileRejected):
    """The file is protected by a password that was not given."""

    code = "file_encrypted"
    hint = "Send the `password` field with the upload, or an unprotected copy."


class FileEmpty(FileRejected):
    """The file holds no bytes."""

    code = "file_empty"
    hint = "Upload the file again once it has content."


class NoTextFound(FileRejected):
    """The file could be read, but there is no text in it."""

    code = "no_text_found"
    hint = (
        "The job's warnings say why; for pictures of text, install Tesseract and retry with `ocr`."
    )


class TypeUnsupported(FileRejected):
    """This kind of file cannot be read."""

    code = "type_unsupported"
    kind = Kind.UNSUPPORTED
    hint = "Convert it to PDF, DOCX, HTML, Markdown or plain text."


class FileTooLarge(FileRejected):
    """The file is larger than this deployment accepts."""

    code = "file_too_large"
    kind = Kind.TOO_LARGE
    hint = "Split the file, or ask the operator to raise the limit."


class ArchiveUnsafe(FileRejected):
    """The archive would unpack to more than is allowed, or outside itself."""

    code = "archive_unsafe"
    hint = "Upload the members on their own."


class ParseTimedOut(FileRejected):
    """Reading the file took longer than a part may take."""

    code = "parse_timeout"
    retryable = True
    hint = "Retry once; if it happens again, split the file."


class ParseOutOfMemory(FileRejected):
    """Reading the file took more memory than a parser may use."""

    code = "parse_out_of_memory"
    retryable = True
    hint = "Split the file, or ask the operator to raise the parser's memory limit."


class ParserCrashed(FileRejected):
    """The parser died on this file more often than is tried again."""

    code = "parser_crashed"
    retryable = True
    who: ClassVar[Who] = "operator"
    hint = "Keep the file for a bug report; the others are not affected."


class DeadlineExceeded(CitewellError):
    """The work did not end before its deadline."""

    code = "deadline_exceeded"
    kind = Kind.UPSTREAM_TIMED_OUT
    retryable = True
    hint = "See what the job waited for, put that right, then retry the job."


class StageTimedOut(DeadlineExceeded):
    """One stage of the work took longer than it may."""


class EmbeddingRejected(CitewellError):
    """The embedding provider refuses this text for good."""

    code = "embedding_rejected"
    kind = Kind.UPSTREAM_FAILED
    hint = "See the provider's message; change the text, or embed it in another space."


class Unavailable(CitewellError):
    """A part Citewell depends on is down; it is tried again by itself."""

    kind = Kind.UNAVAILABLE
    retryable = True
    who: ClassVar[Who] = "nobody"
    hint = "Wait; if it stays, see `/readyz` for the part that is down."


class QueueFull(Unavailable):
    """More work is queued for all tenants than this deployment takes on."""

    code = "rate_limited"
    hint = "Wait the seconds in `Retry-After`; workers may be too few or down."


class DatabaseUnavailable(Unavailable):
    """Postgres does not answer."""

    code = "database_unavailable"


class VectorStoreUnavailable(Unavailable):
    """Qdrant does not answer."""

    code = "vector_store_unavailable"


class ParserUnavailable(Unavailable):
    """Files cannot be read here, or not as safely as they should be; the work waits."""

    code = "parser_unavailable"
    who: ClassVar[Who] = "operator"
    hint = "See the parse workers' log and docs/howto/operate.md on isolation."


class StorageUnavailable(Unavailable):
    """The blob store does not answer."""

    code = "storage_unavailable"


class StorageFull(Unavailable):
    """The blob store has no room left."""

    code = "storage_full"
    kind = Kind.STORAGE_FULL
    who: ClassVar[Who] = "operator"
    hint = "Free or add disk space; uploads work again at once."


class UpstreamFailed(Unavailable):
    """A provider answered with an error."""

    kind = Kind.UPSTREAM_FAILED


class EmbeddingUnavailable(UpstreamFailed):
    """The embedding provider answers with an error or not at all."""

    code = "embedding_unavailable"


class EmbeddingUnauthorized(EmbeddingUnavailable):
    """The embedding provider refuses the key; work waits for an operator."""

    who: ClassVar[Who] = "operator"
    hint = "Set a working key; parked jobs go on by themselves."


class EmbeddingMisconfigured(EmbeddingUnavailable):
    """The provider does not know the model, or its vectors do not fit the space."""

    who: ClassVar[Who] = "operator"
    hint = "Check the base URL, and the space's model name and dimensions; parked jobs go on."


class GenerationUnavailable(UpstreamFailed):
    """The chat provider answers with an error."""

    code = "generation_unavailable"


class GenerationTimedOut(Unavailable):
    """The chat provider did not answer in time."""

    code = "generation_timeout"
    kind = Kind.UPSTREAM_TIMED_OUT


class ConfigurationInvalid(CitewellError):
    """The configuration cannot work; nothing was started."""

    hint = "Set what the detail names; see docs/reference/configuration.md."
