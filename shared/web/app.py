"""What both services' apps begin with: problems, request ids, metrics, operation ids."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.web.limits import BodyLimitMiddleware
from shared.web.middleware import RequestMiddleware
from shared.web.openapi import ServiceApp
from shared.web.problems import install_problems


def build_app(
    *,
    service: str,
    title: str,
    description: str,
    version: str,
    tags: list[dict[str, Any]],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    streaming_paths: Collection[str] = (),
) -> FastAPI:
    """Return an app without routes whose errors, ids and metrics are as both services have them.

    The lifespan must set `app.state.authenticator` for `shared.web.security.require`. Bodies for
    `streaming_paths` may be of any size; all others are small.
    """
    app = ServiceApp(
        title=title,
        description=description,
        version=version,
        openapi_tags=tags,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
    )
    install_problems(app)
    app.add_middleware(BodyLimitMiddleware, streaming_paths=streaming_paths)
    app.add_middleware(RequestMiddleware, service=service)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
