"""Spaces whose provider fails: parked until it answers again, by one row whatever the backlog.

The row is the breaker that all workers share. Failures in a row open it; then nobody claims the
space's chunks until `until`, when one claim may try. Whoever embeds again removes the row.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OPENED_AFTER = 3
LONGEST_S = 15.0

FAILED = text("""
INSERT INTO parked_spaces AS p (space, tenant_id, failures, kind, code, detail, until)
VALUES (:space, '', 1, :kind, :code, :detail,
        CASE WHEN :at_once THEN now() + make_interval(secs => :pause_s) END)
ON CONFLICT (space) DO UPDATE SET kind = :kind, code = :code, detail = :detail,
    failures = p.failures + CASE WHEN p.until > now() AND NOT :trying THEN 0 ELSE 1 END,
    until = CASE
        WHEN :at_once THEN now() + make_interval(secs => :pause_s)
        WHEN p.until > now() AND NOT :trying THEN p.until
        WHEN p.failures + 1 >= :opened_after THEN now() + make_interval(secs => greatest(
            :pause_s, least(:longest_s, 2.0 ^ least(p.failures + 1 - :opened_after, 16))))
        END
RETURNING until > now() AS parked
""")
TRY = text("""
UPDATE parked_spaces SET until = now() + make_interval(secs => :hold_s)
WHERE space = :space AND until <= now()
""")
HOLD = text("""
UPDATE parked_spaces SET until = greatest(until, now() + make_interval(secs => :hold_s))
WHERE space = :space
""")
LET_TRY = text("UPDATE parked_spaces SET until = now() WHERE space = :space")
CLEAR = text("DELETE FROM parked_spaces WHERE space = :space")


@dataclass(frozen=True, slots=True)
class Outage:
    """Why a provider does not embed.

    `at_once`: one failure is enough to park. `pause_s` is the least until the next try.
    """

    kind: Literal["provider", "operator"]
    code: str
    detail: str
    pause_s: float = 0.0
    at_once: bool = False


class ParkedSpaces:
    """The parked spaces' queries, inside the caller's transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Take the transaction."""
        self._connection = connection

    async def failed(self, space: str, outage: Outage, *, trying: bool) -> bool:
        """Count a failure; True when the space is parked now.

        `trying`: it was the one claim that tried a parked space. Failures of requests that were
        under way when it was parked prolong nothing.
        """
        parameters = {
            "space": space,
            "kind": outage.kind,
            "code": outage.code,
            "detail": outage.detail,
            "pause_s": outage.pause_s,
            "at_once": outage.at_once,
            "trying": trying,
            "opened_after": OPENED_AFTER,
            "longest_s": LONGEST_S,
        }
        return bool((await self._connection.execute(FAILED, parameters)).scalar_one())

    async def try_one(self, space: str, *, hold_s: float) -> bool:
        """Take the right to try a parked space whose time is up, for `hold_s`; False if taken."""
        result = await self._connection.execute(TRY, {"space": space, "hold_s": hold_s})
        return result.rowcount == 1

    async def hold(self, space: str, *, hold_s: float) -> None:
        """Keep that right for longer."""
        await self._connection.execute(HOLD, {"space": space, "hold_s": hold_s})

    async def let_try(self, space: str) -> None:
        """Give that right back: nothing was asked of the provider."""
        await self._connection.execute(LET_TRY, {"space": space})

    async def clear(self, space: str) -> None:
        """Take the space up again."""
        await self._connection.execute(CLEAR, {"space": space})
