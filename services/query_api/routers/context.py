"""What every route is handed: the process context and the caller."""

from typing import Annotated

from fastapi import Depends, Request

from services.query_api.context import ProcessContext
from shared.auth.principal import Principal, Scope
from shared.web.security import require


def _context(request: Request) -> ProcessContext:
    context: ProcessContext = request.app.state.context
    return context


Context = Annotated[ProcessContext, Depends(_context)]
Asker = Annotated[Principal, Depends(require(Scope.QUERY))]
