"""Server-sent events (WHATWG HTML, 9.2): events of JSON, comments between."""

import json
from typing import Any

from fastapi.encoders import jsonable_encoder

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
KEEP_ALIVE_S = 15.0
COMMENT = ": still working\n\n"


def event(name: str, data: Any) -> str:
    """Return one event of something that becomes JSON."""
    return json_event(name, json.dumps(jsonable_encoder(data), ensure_ascii=False))


def data_event(text: str) -> str:
    """Return one event without a name, of text that has no line breaks."""
    return f"data: {text}\n\n"


def json_event(name: str, text: str, *, cursor: str | None = None) -> str:
    """Return one event of JSON text, which has no line breaks of its own: one `data` line holds it.

    `cursor` is its id: what a reader sends as `Last-Event-ID` to go on after it.
    """
    place = "" if cursor is None else f"id: {cursor}\n"
    return f"{place}event: {name}\ndata: {text}\n\n"
