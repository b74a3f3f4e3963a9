"""What routes are handed: the process's context, and the caller with the scope they need."""

from typing import Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest_worker.collections import CollectionKeeper
from services.ingest_worker.context import IngestContext
from shared.auth.principal import Principal, Scope
from shared.web.security import require


def context_of(request: Request) -> IngestContext:
    """Return the context the lifespan made."""
    context: IngestContext = request.app.state.context
    return context


Context = Annotated[IngestContext, Depends(context_of)]
Loader = Annotated[Principal, Depends(require(Scope.INGEST))]
Reader = Annotated[Principal, Depends(require(Scope.INGEST, Scope.QUERY))]
Admin = Annotated[Principal, Depends(require(Scope.ADMIN))]
Wait = Annotated[float, Query(ge=0, le=60, description="Longest wait, seconds.")]
Since = Annotated[
    int | None, Query(ge=0, description="Return when the revision differs from this.")
]


def keeper_of(
    context: IngestContext, caller: Principal, connection: AsyncConnection
) -> CollectionKeeper:
    """Return the keeper of the caller's collections in this transaction."""
    return CollectionKeeper(
        connection, tenant_id=caller.tenant_id, default_space=context.default_space
    )
