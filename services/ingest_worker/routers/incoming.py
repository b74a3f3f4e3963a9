"""A request whose body is files, as the use cases take it: unread, and given up when it stalls."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Request
from starlette.requests import ClientDisconnect

from services.ingest_worker.context import IngestContext
from services.ingest_worker.uploads.receiving import request_too_large
from services.ingest_worker.uploads.taking import Incoming
from shared.auth.principal import Principal
from shared.errors import InvalidInput
from shared.web.limits import length_said, says_more_than

# A sender that is silent for this long is taken for dead; its files are let go.
SILENCE_S = 60.0
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=NO_CONTROLS,
        description="The request is done once, however often it is sent within a day.",
    ),
]


def incoming_of(
    request: Request, context: IngestContext, caller: Principal, *, key: str | None
) -> Incoming:
    """Return a request for the use case that reads it.

    Raises:
        PayloadTooLarge: its length says that it is over the limit.
    """
    limits = context.settings.ingest
    announced = request.headers.get("content-length")
    if says_more_than(announced, limits.max_request_bytes):
        raise request_too_large(limits)
    return Incoming(
        caller.tenant_id,
        _body(request),
        request.headers.get("content-type", ""),
        announced_bytes=length_said(announced),
        key=key,
    )


async def _body(request: Request) -> AsyncIterator[bytes]:
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise InvalidInput(f"No byte of the body came for {SILENCE_S:.0f} s.") from error
        except ClientDisconnect as error:
            raise InvalidInput("The connection was cut before the body was complete.") from error
        yield piece
