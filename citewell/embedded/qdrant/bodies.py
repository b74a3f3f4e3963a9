"""Reading JSON bodies: a value of the right type comes out, or `BadInput` naming the field."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from citewell.embedded.qdrant.refusals import BadInput

Object = Mapping[str, Any]


def parse(body: bytes) -> Object:
    """Parse a request's body, which is always an object; an empty body is an empty one."""
    if not body:
        return {}
    try:
        raw = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        message = f"Format error in JSON body: {error}"
        raise BadInput(message) from error
    return as_object(raw, "JSON body")


def render(answer: object) -> bytes:
    """Write an answer as JSON; ids may be UUIDs."""
    return to_json(answer, inf_nan_mode="null")


def as_object(raw: object, where: str) -> Object:
    """Return the value if it is a JSON object."""
    if not isinstance(raw, dict):
        raise BadInput(f"{where}: expected an object")
    return raw


def as_list(raw: object, where: str) -> list[Any]:
    """Return the value if it is a JSON array."""
    if not isinstance(raw, list):
        raise BadInput(f"{where}: expected an array")
    return raw


def as_text(raw: object, where: str) -> str:
    """Return the value if it is a string."""
    if not isinstance(raw, str):
        raise BadInput(f"{where}: expected a string")
    return raw


def as_count(raw: object, where: str, *, default: int) -> int:
    """Return the value if it is an integer from 0 up; `default` stands for an absent one."""
    if raw is None:
        return default
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise BadInput(f"{where}: expected an unsigned integer")
    return raw


def only(raw: Object, known: Collection[str], where: str) -> None:
    """Refuse fields the server does not act on: ignoring one would answer another question."""
    strange = sorted(key for key, value in raw.items() if value is not None and key not in known)
    if strange:
        raise BadInput(f"{where}: `{strange[0]}` is not spoken by the embedded server")
