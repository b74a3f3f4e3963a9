"""The dependency that guards a route: who asks, and whether they may."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from shared.auth.authenticator import Authenticator
from shared.auth.principal import Principal, Scope
from shared.errors import Forbidden

# Shown in OpenAPI; the check itself is the authenticator's, so that every refusal is a problem.
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An API key (`cw_…`) or a JWT with the claims `tenant` and `scopes`.",
)


def require(*scopes: Scope) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the caller's `Principal` if it holds one of these scopes.

    The app's lifespan puts the `Authenticator` at `app.state.authenticator`.

    Example:
        `Loader = Annotated[Principal, Depends(require(Scope.INGEST))]`

    Raises:
        Unauthenticated: (in the request) no valid credential came.
        Forbidden: (in the request) the credential holds none of the scopes.
    """

    async def principal(request: Request, _: Annotated[object, Depends(_bearer)]) -> Principal:
        authenticator: Authenticator = request.app.state.authenticator
        found = await authenticator.authenticate(request.headers.get("authorization"))
        if not found.may(*scopes):
            needed = " or ".join(f"`{scope}`" for scope in scopes)
            raise Forbidden(f"This call needs the scope {needed}.")
        return found

    return principal
