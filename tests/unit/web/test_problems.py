"""Every error becomes one shape, and none tells more than it should."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from shared import errors
from shared.errors import (
    CitewellError,
    DatabaseUnavailable,
    FileEncrypted,
    Kind,
    NotFound,
    RateLimited,
    VectorStoreUnavailable,
)
from shared.models import Stage
from shared.problems import STATUS, problem_of, problem_of_status
from shared.web.problems import problem_response
from tests.support.web import bare_app, client_of


def every_error() -> Iterator[type[CitewellError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, CitewellError):
            yield value


class Wanted(BaseModel):
    count: int
    secret: str = Field(min_length=5)


def make_app() -> FastAPI:
    app = bare_app()

    @app.get("/busy")
    async def busy() -> None:
        raise DatabaseUnavailable(retry_after_s=1.2)

    @app.get("/missing")
    async def missing() -> None:
        raise NotFound("There is no such thing.")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("password=hunter2")

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "I am a teapot.", headers={"X-Tea": "green"})

    @app.post("/wanted/{number}")
    async def wanted(number: int, body: Wanted) -> None:
        pass

    return app


@pytest.fixture
def client() -> httpx.AsyncClient:
    return client_of(make_app())


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: error.__name__)
def test_every_error_becomes_a_whole_problem(error: type[CitewellError]) -> None:
    problem = problem_of(error(), Stage.PARSE)
    assert problem.status == STATUS[error.kind]
    assert problem.type == f"/problems/{error.code}"
    assert problem.stage is Stage.PARSE
    assert problem.title
    assert problem.detail
    assert problem.hint


def test_what_nobody_foresaw_is_an_internal_error_without_its_message() -> None:
    problem = problem_of(ValueError("password=hunter2"))
    assert (problem.code, problem.status) == ("internal_error", 500)
    assert "hunter2" not in problem.model_dump_json()


def test_a_page_is_kept() -> None:
    assert problem_of(FileEncrypted(page=3)).page == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not_found"),
        (405, "invalid_request"),
        (413, "file_too_large"),
        (502, "internal_error"),
    ],
)
def test_a_bare_status_keeps_its_number(status: int, code: str) -> None:
    problem = problem_of_status(status, "said so")
    assert (problem.status, problem.code) == (status, code)


async def test_an_expected_error_is_problem_json_with_its_own_status(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/missing")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "There is no such thing."
    assert response.json()["code"] == "not_found"


async def test_retry_after_is_in_whole_seconds_rounded_up(client: httpx.AsyncClient) -> None:
    response = await client.get("/busy")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["retryable"] is True


def test_what_passes_always_says_when_to_come_back() -> None:
    for error in (VectorStoreUnavailable(), RateLimited()):
        assert int(problem_response(problem_of(error)).headers["retry-after"]) >= 1
    assert "retry-after" not in problem_response(problem_of(NotFound())).headers


async def test_an_unexpected_error_is_answered_without_its_message(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/broken")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "internal_error"
    assert "hunter2" not in response.text
    assert response.headers["x-request-id"]


async def test_invalid_fields_are_named_and_what_was_sent_is_not_repeated(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/wanted/x", json={"count": "many", "secret": "abc"})
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "invalid_request"
    for named in ("path.number", "count", "secret"):
        assert named in problem["detail"]
    assert "many" not in response.text
    assert "abc" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/busy", 405)]
)
async def test_the_frameworks_own_errors_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


async def test_headers_of_an_http_exception_are_kept(client: httpx.AsyncClient) -> None:
    response = await client.get("/teapot")
    assert response.status_code == 418
    assert response.headers["x-tea"] == "green"


def test_the_openapi_document_knows_problems_and_not_the_frameworks_errors() -> None:
    document = make_app().openapi()
    schemas = document["components"]["schemas"]
    assert "Problem" in schemas
    assert "HTTPValidationError" not in schemas
    invalid = document["paths"]["/wanted/{number}"]["post"]["responses"]["422"]
    assert list(invalid["content"]) == ["application/problem+json"]
