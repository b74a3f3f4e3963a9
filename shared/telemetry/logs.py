"""Logs: one JSON line an event, with the ids of its request or job, never a secret."""

import logging
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from shared.settings import TelemetrySettings

REDACTED = "[redacted]"

# Fields whose values are never written, whatever they hold.
_SECRET_FIELD = re.compile(
    r"(?i)(?:^|_)(?:password|secret|authorization|api_?key|bootstrap_key|access_key|token|cookie)(?:$|_)"
)
# Secrets inside longer texts, such as an exception that quotes a URL or a header.
_SECRET_TEXT = (
    (re.compile(r"\bcw_[A-Za-z0-9_-]{43}"), REDACTED),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), REDACTED),
    (re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]+"), f"Bearer {REDACTED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), REDACTED),
)
# Chatty libraries, and uvicorn's access log, which the request middleware replaces.
_QUIET = (
    "uvicorn.access",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "sqlalchemy.engine",
    "asyncio",
)


def set_up_logs(settings: TelemetrySettings, *, service: str, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's events to one stream, standard error by default.

    Once in each process, before anything is logged. `service` is named on every line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_last_steps(json_lines=settings.json_lines)
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_context(**ids: object) -> AbstractContextManager[object]:
    """Put ids (`request_id`, `job_id` …) on every line logged inside the `with` block."""
    return structlog.contextvars.bound_contextvars(
        **{name: value if isinstance(value, int) else str(value) for name, value in ids.items()}
    )


def redacted(value: Any) -> Any:
    """Return a value fit for a log: secrets inside texts, mappings and lists are cut out."""
    if isinstance(value, str):
        for pattern, replacement in _SECRET_TEXT:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, Mapping):
        return {
            name: REDACTED if _SECRET_FIELD.search(str(name)) else redacted(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(inner) for inner in value]
    return value


def _named(service: str) -> Processor:
    def add_service(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {**event, "service": service}

    return add_service


def _redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return dict(redacted(event))


def _last_steps(*, json_lines: bool) -> list[Processor]:
    # The exception becomes text before secrets are cut out, for its message may quote one.
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _redact,
        renderer,
    ]
