"""Problems as OpenAI's clients read them: the one translation, for every path below `/openai/`."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field

from shared.models import Problem

PREFIX = "/openai/"
# Where OpenAI answers with another status than we do. Their clients know no 415 and 422 of ours.
_STATUS: Mapping[int, int] = MappingProxyType({415: 400, 422: 400})
_TYPES: Mapping[int, str] = MappingProxyType({403: "permission_error", 429: "rate_limit_error"})
_SERVER_ERROR = 500
# Our details name what is wrong first: `filters: …`, `attributes.year: …`.
_PARAM = re.compile(r"(?P<param>[a-z_]+(?:[.\[][\w\].-]+)*): ")


class OpenAIError(BaseModel):
    """What went wrong."""

    message: str
    type: str = Field(description="`invalid_request_error`, `server_error` and the like.")
    param: str | None = Field(description="The field that is wrong, where one is.")
    code: str = Field(description="The problem's code, as everywhere.")


class OpenAIErrorResponse(BaseModel):
    """An error in OpenAI's form."""

    error: OpenAIError


def speaks_openai(path: str) -> bool:
    """Tell whether whoever asks for a path reads errors in OpenAI's form."""
    return path.startswith(PREFIX)


def openai_status(problem: Problem) -> int:
    """Return the status that OpenAI would answer with."""
    return _STATUS.get(problem.status, problem.status)


def openai_error(problem: Problem) -> OpenAIErrorResponse:
    """Return a problem in OpenAI's form."""
    kind = "server_error" if problem.status >= _SERVER_ERROR else "invalid_request_error"
    param = _PARAM.match(problem.detail)
    return OpenAIErrorResponse(
        error=OpenAIError(
            message=problem.detail,
            type=_TYPES.get(problem.status, kind),
            param=param["param"] if param else None,
            code=problem.code,
        )
    )


def openai_documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route for these statuses, errors in OpenAI's form."""
    schema = {"$ref": "#/components/schemas/OpenAIErrorResponse"}
    return {
        status: {
            "description": "Error",
            "content": {"application/json": {"schema": schema}},
        }
        for status in statuses
    }
