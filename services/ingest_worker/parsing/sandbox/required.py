"""Says aloud how well parser processes are held here, and refuses what is too little."""

import structlog

from services.ingest_worker.parsing.sandbox.confine import Isolation, Level, isolation_here
from shared.errors import ConfigurationInvalid, ParserUnavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def require_isolation(least: Level) -> None:
    """Log what parser processes are held by on this kernel.

    Raises:
        ConfigurationInvalid: it is less than `least`.
    """
    found = isolation_here()
    if not found.reaches(least):
        raise ConfigurationInvalid(
            f"Parser processes cannot be isolated here: the kernel offers {found}, and"
            f" CITEWELL_INGEST_PARSER_ISOLATION asks for {least}."
        )
    tell = log.info if found.level == "full" else log.warning
    tell("parser_isolation", holds=str(found), least=least)


async def tell_isolation() -> str:
    """Return what parser processes are held by, for `/readyz`.

    Raises:
        ParserUnavailable: it is less than there could be; the detail says what is missing.
    """
    found = isolation_here()
    if found.level != "full":
        raise ParserUnavailable(f"Parser processes are held by {_shortfall(found)}")
    return str(found)


def _shortfall(found: Isolation) -> str:
    if found.level == "seccomp":
        return "seccomp alone: a file that takes one over can read what the worker's user can."
    return "limits of time and memory alone: a file that takes one over can do what its user can."
