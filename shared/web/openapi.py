"""The OpenAPI document: every error is a problem, the framework's own error models are gone."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from typing_extensions import override

from shared.models import Problem
from shared.web.openai_errors import OpenAIErrorResponse, openai_documented, speaks_openai
from shared.web.problems import MEDIA_TYPE

_FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")
_PROBLEM_REF = {"schema": {"$ref": "#/components/schemas/Problem"}}


class ServiceApp(FastAPI):
    """An app whose OpenAPI document describes what is really sent."""

    @override
    def openapi(self) -> dict[str, Any]:
        """Return the document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _document(self)
        return self.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    paths = document.get("paths", {})
    _add_schema(schemas, Problem)
    if any(map(speaks_openai, paths)):
        _add_schema(schemas, OpenAIErrorResponse)
    for path, operations in paths.items():
        for operation in operations.values():
            _mend_responses(path, operation.get("responses", {}))
    return document


def _add_schema(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema


def _mend_responses(path: str, responses: dict[str, Any]) -> None:
    """Replace FastAPI's own 422, which it adds wherever something is validated."""
    if speaks_openai(path):
        if responses.pop("422", None):
            responses["400"] = openai_documented(400)[400]
        return
    invalid = responses.get("422")
    if invalid and MEDIA_TYPE not in invalid.get("content", {}):
        responses["422"] = {
            "description": "The request is not valid",
            "content": {MEDIA_TYPE: _PROBLEM_REF},
        }
