"""Errors become problems here: the same object for a response, a failed job and the command line.

Knows no web framework, so workers use it too. Holds the one table from an error to its status.
"""

from collections.abc import Mapping
from types import MappingProxyType

from shared.errors import (
    CitewellError,
    Forbidden,
    InvalidInput,
    Kind,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
)
from shared.models import Problem, Stage

STATUS: Mapping[Kind, int] = MappingProxyType(
    {
        Kind.INVALID: 422,
        Kind.UNAUTHENTICATED: 401,
        Kind.FORBIDDEN: 403,
        Kind.NOT_FOUND: 404,
        Kind.CONFLICT: 409,
        Kind.TOO_LARGE: 413,
        Kind.UNSUPPORTED: 415,
        Kind.RATE_LIMITED: 429,
        Kind.UPSTREAM_FAILED: 502,
        Kind.UNAVAILABLE: 503,
        Kind.UPSTREAM_TIMED_OUT: 504,
        Kind.STORAGE_FULL: 507,
        Kind.INTERNAL: 500,
    }
)

# What the framework refuses by itself, in our words; any other 4xx is an invalid request.
_FRAMEWORK: Mapping[int, type[CitewellError]] = MappingProxyType(
    {
        401: Unauthenticated,
        403: Forbidden,
        404: NotFound,
        413: PayloadTooLarge,
        429: RateLimited,
    }
)
_SERVER_ERROR = 500


def problem_of(error: BaseException, stage: Stage | None = None) -> Problem:
    """Return the problem an error is to those outside.

    Anything but a `CitewellError` is an `internal_error` that tells nothing of its message, which
    may hold secrets: whoever catches it logs it.
    """
    known = error if isinstance(error, CitewellError) else CitewellError()
    return _problem(known, status=STATUS[known.kind], stage=stage)


def problem_of_status(status: int, detail: str) -> Problem:
    """Return the problem of a bare HTTP status that the web framework answered by itself."""
    if status >= _SERVER_ERROR:
        return _problem(CitewellError(), status=status)
    return _problem(_FRAMEWORK.get(status, InvalidInput)(detail or None), status=status)


def _problem(error: CitewellError, *, status: int, stage: Stage | None = None) -> Problem:
    return Problem(
        type=f"/problems/{error.code}",
        title=error.title(),
        status=status,
        detail=error.detail,
        code=error.code,
        stage=stage,
        page=error.page,
        retryable=error.retryable,
        who=error.who,
        hint=error.hint,
    )
