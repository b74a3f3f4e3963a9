"""The HTTP reference, from both services' OpenAPI documents: calls, their fields, their objects."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from tests.support.tables import table

Json = Mapping[str, Any]

APPS = {"Ingest service": "services.ingest_worker.app", "Query service": "services.query_api.app"}
REF = "#/components/schemas/"
METHODS = ("get", "put", "post", "patch", "delete")
FORMATS = {"uuid": "UUID", "date-time": "time", "binary": "bytes"}
PROBLEM_BODY = "application/problem+json"

INTRODUCTION = """\
Both services answer at one address. The OpenAPI documents this page is made of are at
`/ingest/openapi.json` and `/query/openapi.json`.

- Every call but health and metrics needs `Authorization: Bearer …`.
- Bodies and answers are JSON, but for uploads (`multipart/form-data`), downloads, metrics and
  streamed answers. A field that is not known is refused, not ignored.
- Errors are `application/problem+json`: a [Problem](#problem) with one of these
  [codes](problems.md).
- Times are ISO 8601 in UTC. Ids are UUIDs.
- A *page of* something is `{"items": […], "next_cursor": "…"}`. Send `next_cursor` as `cursor` for
  the next page; it is null on the last one."""


def http_parts() -> Iterator[str]:
    """Yield the page below its title."""
    documents = {heading: import_module(module).app.openapi() for heading, module in APPS.items()}
    shared = set.intersection(*(set(_calls(one)) for one in documents.values()))
    for heading, document in documents.items():
        own = {call: one for call, one in _calls(document).items() if call not in shared}
        yield f"## {heading}\n\n{_overview(own)}"
        yield from (_call(call, one) for call, one in own.items())
    both = {call: one for call, one in _calls(document).items() if call in shared}
    yield (
        "## Health and metrics\n\nEach service answers these for itself, under `/ingest` and"
        " `/query`. Without a prefix, `/healthz` and `/readyz` speak of both together."
        f"\n\n{_overview(both)}"
    )
    yield from (_call(call, one) for call, one in both.items())
    yield "## Objects\n\nWhat bodies and answers are made of."
    yield from _objects(documents.values())


def _calls(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operations[method]
        for path, operations in document["paths"].items()
        for method in METHODS
        if method in operations
    }


def _overview(calls: Mapping[str, Json]) -> str:
    rows = [
        (f"[`{call}`](#{_anchor(call)})", one.get("summary", "")) for call, one in calls.items()
    ]
    return table("Call", "What it does", rows)


def _call(call: str, operation: Json) -> str:
    summary = operation["summary"]
    title = summary if summary.endswith("?") else f"{summary}."
    parts = [f"### `{call}`", f"**{title}** {operation.get('description', '')}"]
    # What stands in the path is in the heading; nothing is taken from headers or cookies.
    rows = [_parameter(one) for one in operation.get("parameters", []) if one["in"] == "query"]
    if rows:
        parts.append(table("Parameter", "Type", "Default", "Meaning", rows))
    parts += [_body(*one) for one in operation.get("requestBody", {}).get("content", {}).items()]
    parts.append(_answers(operation["responses"]))
    return "\n\n".join(part.strip() for part in parts)


def _parameter(parameter: Json) -> tuple[str, ...]:
    schema = parameter["schema"]
    default = "required" if parameter["required"] else _default(schema)
    kind = _type(schema).removesuffix(" or null")
    return f"`{parameter['name']}`", kind, default, parameter.get("description", "")


def _body(media_type: str, schema: Json) -> str:
    inside = schema["schema"]
    if "properties" in inside:
        return f"Body (`{media_type}`):\n\n{_fields(inside, asked=True)}"
    return f"Body: {_type(inside)}"


def _answers(responses: Mapping[str, Json]) -> str:
    good = [
        f"`{status}` {_answer(response)}"
        for status, response in responses.items()
        if PROBLEM_BODY not in response.get("content", {})
    ]
    bad = sorted(
        status for status, one in responses.items() if PROBLEM_BODY in one.get("content", {})
    )
    problems = f" Problems: {', '.join(f'`{status}`' for status in bad)}." if bad else ""
    return f"Answers: {', '.join(good)}.{problems}"


def _answer(response: Json) -> str:
    contents = response.get("content", {})
    schemas = [one["schema"] for one in contents.values() if one.get("schema")]
    if schemas:
        return _type(schemas[0])
    return f"`{next(iter(contents))}`" if contents else "without a body"


def _objects(documents: Iterable[Json]) -> Iterator[str]:
    schemas: dict[str, Json] = {}
    for document in documents:
        schemas |= document["components"]["schemas"]
    for name, schema in sorted(schemas.items()):
        if not name.startswith("Page_"):
            yield _object(name, schema)


def _object(name: str, schema: Json) -> str:
    about = schema.get("description", "")
    text = f"### {name}\n\n{about}".strip()
    if "enum" in schema:
        return f"{text}\n\nOne of {_type(schema)}."
    asked = name.endswith(("Request", "Patch", "Options"))
    return f"{text}\n\n{_fields(schema, asked=asked)}"


def _fields(schema: Json, *, asked: bool) -> str:
    required = set(schema.get("required", ()))
    properties = schema["properties"].items()
    if asked:
        rows = [
            (
                f"`{name}`",
                _type(one),
                "required" if name in required else _default(one),
                one.get("description", ""),
            )
            for name, one in properties
        ]
        return table("Field", "Type", "Default", "Meaning", rows)
    answered = [(f"`{name}`", _type(one), one.get("description", "")) for name, one in properties]
    return table("Field", "Type", "Meaning", answered)


def _default(schema: Json) -> str:
    default = schema.get("default")
    if default is None or default == "":
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return _link(schema["$ref"].removeprefix(REF))
    if "anyOf" in schema:
        kinds = [_type(one) for one in schema["anyOf"] if one.get("type") != "null"]
        null = [one for one in schema["anyOf"] if one.get("type") == "null"]
        return " or ".join([*kinds, *(["null"] if null else [])])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{value}`" for value in values)
    return _plain_type(schema)


def _plain_type(schema: Json) -> str:
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        values = f" of {_type(inner)}" if isinstance(inner, Mapping) else ""
        return f"object{values}"
    return f"{FORMATS.get(schema.get('format', ''), kind)}{_limits(schema)}"


def _limits(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    if low is not None:
        return f", at least {low:g}"
    longest = schema.get("maxLength")
    return f", at most {longest} characters" if longest else ""


def _link(name: str) -> str:
    if name.startswith("Page_"):
        return f"page of {_link(name.removeprefix('Page_').removesuffix('_'))}"
    return f"[{name}](#{name.lower()})"


def _anchor(heading: str) -> str:
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")
