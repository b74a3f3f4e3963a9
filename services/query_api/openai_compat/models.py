"""`/openai/v1/models`: what may be asked for as `model`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from services.query_api.openai_compat.schemas import DEFAULT_MODEL, ModelList, ModelObject
from services.query_api.routers.context import Asker
from shared.errors import NotFound
from shared.web.openai_errors import openai_documented

router = APIRouter(
    tags=["openai"], prefix="/openai/v1/models", responses=openai_documented(401, 403, 503)
)


def _models(request: Request) -> list[ModelObject]:
    names: Sequence[str] = request.app.state.context.models
    return [ModelObject(id=name) for name in dict.fromkeys((DEFAULT_MODEL, *names))]


Models = Annotated[list[ModelObject], Depends(_models)]


@router.get("", summary="List models")
async def list_models(_caller: Asker, models: Models) -> ModelList:
    """List the models that answer: `citewell` is as configured, the others answer or fail."""
    return ModelList(data=models)


@router.get("/{model:path}", summary="Show a model", responses=openai_documented(404))
async def get_model(
    model: Annotated[str, Path(max_length=200)], _caller: Asker, models: Models
) -> ModelObject:
    """Show one model."""
    for one in models:
        if one.id == model:
            return one
    raise NotFound(f"There is no model {model!r}.")
