"""OpenAI's filters as ours: `{"type": "eq", "key": …, "value": …}` and `and` / `or` of such."""

from collections.abc import Mapping
from typing import Any, Final

from shared.errors import InvalidInput

OPERATORS: Final = frozenset({"eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"})
COMPOUNDS: Final[Mapping[str, str]] = {"and": "all", "or": "any"}
# Our own filters end a little later; this only keeps what comes from going round without end.
DEEPEST = 10


def our_filters(sent: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return filters of the native form; none match everything.

    What names and values may be is for the search to say.

    Raises:
        InvalidInput: it is neither a comparison nor a compound.

    Example:
        `{"type": "gte", "key": "year", "value": 2020}` gives `{"year": {"gte": 2020}}`
    """
    return {} if sent is None else _read(sent, 0)


def _read(sent: object, depth: int) -> dict[str, Any]:
    if not isinstance(sent, Mapping) or depth > DEEPEST:
        raise InvalidInput("filters: each is an object with a `type`, not nested too deeply.")
    kind = sent.get("type")
    if isinstance(kind, str) and kind in COMPOUNDS:
        return {COMPOUNDS[kind]: _parts(sent, depth)}
    if isinstance(kind, str) and kind in OPERATORS:
        return _comparison(sent)
    known = ", ".join(sorted({*OPERATORS, *COMPOUNDS}))
    raise InvalidInput(f"filters: a `type` is one of {known}.")


def _parts(sent: Mapping[str, Any], depth: int) -> list[dict[str, Any]]:
    parts = sent.get("filters")
    if set(sent) != {"type", "filters"} or not isinstance(parts, list) or not parts:
        raise InvalidInput(f"filters: `{sent['type']}` has `filters`, a list of at least one.")
    return [_read(part, depth + 1) for part in parts]


def _comparison(sent: Mapping[str, Any]) -> dict[str, Any]:
    key = sent.get("key")
    if set(sent) != {"type", "key", "value"} or not isinstance(key, str):
        raise InvalidInput(f"filters: `{sent['type']}` has a `key`, a text, and a `value`.")
    if key in {"any", "all", "not"}:
        raise InvalidInput(f"filters: no attribute is called `{key}`.")
    return {key: {sent["type"]: sent["value"]}}
