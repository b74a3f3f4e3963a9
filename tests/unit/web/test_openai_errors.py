"""A problem in OpenAI's form: the same words, another shape."""

import json

import pytest

from shared.errors import (
    CitewellError,
    Conflict,
    DatabaseUnavailable,
    FileEmpty,
    Forbidden,
    GenerationTimedOut,
    InvalidInput,
    NotFound,
    RateLimited,
    RequestUnderWay,
    StorageFull,
    TypeUnsupported,
    Unauthenticated,
)
from shared.openai_ids import is_store_name, read_file_id, read_store_id, shown_file_id
from shared.problems import problem_of
from shared.web.problems import problem_response

PATH = "/openai/v1/files"


@pytest.mark.parametrize(
    ("error", "status", "kind", "again"),
    [
        (InvalidInput, 400, "invalid_request_error", "false"),
        (FileEmpty, 400, "invalid_request_error", "false"),
        (TypeUnsupported, 400, "invalid_request_error", "false"),
        (Unauthenticated, 401, "invalid_request_error", "false"),
        (Forbidden, 403, "permission_error", "false"),
        (NotFound, 404, "invalid_request_error", "false"),
        (Conflict, 409, "invalid_request_error", "false"),
        (RequestUnderWay, 409, "invalid_request_error", "true"),
        (RateLimited, 429, "rate_limit_error", "true"),
        (CitewellError, 500, "server_error", "false"),
        (DatabaseUnavailable, 503, "server_error", "true"),
        (GenerationTimedOut, 504, "server_error", "true"),
        (StorageFull, 507, "server_error", "true"),
    ],
)
def test_every_kind_of_error_has_openais_status_type_and_advice(
    error: type[CitewellError], status: int, kind: str, again: str
) -> None:
    response = problem_response(problem_of(error("It is so.")), path=PATH)
    told = json.loads(bytes(response.body))
    assert response.status_code == status
    assert told == {
        "error": {"message": "It is so.", "type": kind, "param": None, "code": error.code}
    }
    assert response.headers["x-should-retry"] == again
    assert response.headers["content-type"] == "application/json"
    assert ("retry-after" in response.headers) == (status in {429, 503})


@pytest.mark.parametrize(
    ("detail", "param"),
    [
        ("filters: a `type` is one of eq.", "filters"),
        ("attributes.year: a text, but it is a number.", "attributes.year"),
        ("messages.0.content: too long", "messages.0.content"),
        ("The body must be multipart: it is not.", None),
        ("Nothing here.", None),
    ],
)
def test_the_field_a_detail_begins_with_is_the_param(detail: str, param: str | None) -> None:
    response = problem_response(problem_of(InvalidInput(detail)), path=PATH)
    assert json.loads(bytes(response.body))["error"]["param"] == param


@pytest.mark.parametrize("path", ["", "/v1/documents", "/openai", "/v1/openai/"])
def test_elsewhere_a_problem_stays_one(path: str) -> None:
    response = problem_response(problem_of(InvalidInput()), path=path)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_ids_are_read_as_they_are_shown_and_no_other_way() -> None:
    read = read_file_id(f"file-{'0a' * 16}")
    assert shown_file_id(read) == f"file-{'0a' * 16}"
    for wrong in (
        "",
        "file-",
        f"file-{'0A' * 16}",
        f"vs_{'0a' * 16}",
        f"file-{'0a' * 16}\n",
        str(read),
    ):
        with pytest.raises(NotFound):
            read_file_id(wrong)
    with pytest.raises(NotFound):
        read_store_id(f"vs_{'0' * 31}")
    assert is_store_name(f"vs_{'0' * 32}")
    assert not is_store_name("vs_papers")
