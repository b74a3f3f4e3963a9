"""The loop of what goes slice by slice beside other work: rebuilds and reindexes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from shared.errors import CitewellError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Between two slices, so that whoever waits for a lock or the disk has a turn.
BREATH_S = 0.02


async def keep_stepping(
    step: Callable[[], Awaitable[bool]], *, pause_s: float, waits: str
) -> NoReturn:
    """Go on until cancelled: at once after a step that moved something, else after a pause.

    A step that fails for now is logged as `waits`, and done again.
    """
    while True:
        moved = False
        try:
            moved = await step()
        except CitewellError as error:
            log.warning(waits, code=error.code, detail=error.detail)
        await asyncio.sleep(BREATH_S if moved else pause_s)
