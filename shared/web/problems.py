"""Every error leaves a door as `application/problem+json`, through these handlers alone.

Below `/openai/` it is the same problem in OpenAI's form.
"""

import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from shared.errors import CitewellError, InvalidInput
from shared.models import Problem
from shared.problems import problem_of, problem_of_status
from shared.web.openai_errors import openai_error, openai_status, speaks_openai

MEDIA_TYPE = "application/problem+json"
MAX_FIELDS = 10
PASSING = {429, 503}
RETRY_AFTER_S = 2.0

_TITLES = {
    400: "The request cannot be read",
    401: "No valid credential",
    403: "The credential lacks a scope",
    404: "Nothing of that name or id",
    409: "Does not fit the present state",
    413: "Larger than accepted",
    415: "Media type not supported",
    422: "The request is not valid",
    429: "Too many requests",
    502: "A provider failed",
    503: "A part it depends on is down",
    504: "A provider was too slow",
    507: "No storage left",
}


def install_problems(app: FastAPI) -> None:
    """Turn an app's expected errors into problems; `RequestMiddleware` does the unexpected."""
    app.add_exception_handler(CitewellError, _on_citewell_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def problem_response(
    problem: Problem,
    *,
    path: str = "",
    retry_after_s: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as a response, with `Retry-After` in whole seconds, rounded up.

    A 429 or 503 always says when to come back, whether or not its cause did. `path` is what was
    asked for: some read problems in another form.
    """
    extra = dict(headers or {})
    if retry_after_s is None and problem.status in PASSING:
        retry_after_s = RETRY_AFTER_S
    if retry_after_s is not None:
        extra["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    if problem.status == 401:  # noqa: PLR2004
        extra["WWW-Authenticate"] = "Bearer"
    if speaks_openai(path):
        return _openai_response(problem, extra)
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=extra,
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route for these statuses; all carry a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def path_of(scope: Scope) -> str:
    """Return the path below the place where the app is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _openai_response(problem: Problem, headers: Mapping[str, str]) -> JSONResponse:
    # OpenAI's clients try a conflict and any 5xx again unless they are told that it is no use.
    again = {"x-should-retry": "true" if problem.retryable else "false"}
    body = openai_error(problem).model_dump(mode="json")
    return JSONResponse(body, status_code=openai_status(problem), headers={**headers, **again})


async def _on_citewell_error(request: Request, error: Exception) -> JSONResponse:
    retry_after_s = error.retry_after_s if isinstance(error, CitewellError) else None
    path = path_of(request.scope)
    return problem_response(problem_of(error), path=path, retry_after_s=retry_after_s)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    problem = problem_of(InvalidInput(_explain(errors)))
    return problem_response(problem, path=path_of(request.scope))


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    path = path_of(request.scope)
    if not isinstance(error, HTTPException):
        return problem_response(problem_of(error), path=path)
    problem = problem_of_status(error.status_code, str(error.detail))
    return problem_response(problem, path=path, headers=error.headers)


def _explain(errors: Any) -> str:
    """Name each field that is wrong and why; never repeat what was sent, it may be a password."""
    told = [f"{_place(item['loc'])}: {item['msg']}" for item in errors[:MAX_FIELDS]]
    if len(errors) > MAX_FIELDS:
        told.append(f"and {len(errors) - MAX_FIELDS} more")
    return "; ".join(told) or "The request is not valid."


def _place(location: tuple[int | str, ...]) -> str:
    where, *path = [str(step) for step in location] or ["request"]
    return ".".join(path) if path and where == "body" else ".".join([where, *path])
