"""Logs: one JSON line an event, with ids, without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.settings import TelemetrySettings
from shared.telemetry.logs import REDACTED, log_context, redacted, set_up_logs

API_KEY = "cw_" + "a" * 43
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJ0ZW5hbnQiOiJhIn0.c2lnbmF0dXJl"  # noqa: S105


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    set_up_logs(TelemetrySettings(), service="test", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail(message: str) -> None:
    raise RuntimeError(message)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_service_level_time_and_ids(stream: io.StringIO) -> None:
    with log_context(request_id="r-1", job_id="j-1"):
        structlog.get_logger("x").info("hello", count=3)
    structlog.get_logger("x").info("after")
    first, second = lines(stream)
    assert first["event"] == "hello"
    assert first["service"] == "test"
    assert first["level"] == "info"
    assert first["timestamp"].endswith("Z")
    assert (first["request_id"], first["job_id"], first["count"]) == ("r-1", "j-1", 3)
    assert "request_id" not in second


def test_the_standard_librarys_lines_look_the_same(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("it is %s", "late")
    [line] = lines(stream)
    assert (line["event"], line["level"], line["service"]) == ("it is late", "warning", "test")


def test_uvicorns_access_log_is_silent(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info("GET /v1/x?key=1")
    assert lines(stream) == []


@pytest.mark.parametrize(
    "field",
    ["password", "api_key", "authorization", "jwt_secret", "access_token", "PASSWORD", "token"],
)
def test_a_field_with_a_secrets_name_is_cut_out(stream: io.StringIO, field: str) -> None:
    structlog.get_logger("x").info("event", **{field: "hunter2", "nested": {field: "hunter2"}})
    assert "hunter2" not in stream.getvalue()


def test_counts_of_tokens_are_no_secrets() -> None:
    assert redacted({"tokens": 3, "max_tokens": 5}) == {"tokens": 3, "max_tokens": 5}


@pytest.mark.parametrize(
    "secret",
    [
        API_KEY,
        TOKEN,
        "sk-proj-abcdefghijklmnopqrstuvwxyz",
        "postgresql://user:hunter2@host/db",
        "Authorization: Bearer hunter2hunter2",
    ],
)
def test_a_secret_inside_a_text_or_an_exception_is_cut_out(
    stream: io.StringIO, secret: str
) -> None:
    try:
        fail(f"it failed with {secret} there")
    except RuntimeError:
        structlog.get_logger("x").exception("failed", detail=[f"see {secret}"])
    text = stream.getvalue()
    for part in ("hunter2", API_KEY, TOKEN, "sk-proj-abc"):
        assert part not in text
    assert REDACTED in text


def test_lines_for_people_are_not_json(stream: io.StringIO) -> None:
    readable = io.StringIO()
    set_up_logs(TelemetrySettings(json_lines=False), service="test", stream=readable)
    structlog.get_logger("x").info("hello")
    assert "hello" in readable.getvalue()
    assert not readable.getvalue().startswith("{")
