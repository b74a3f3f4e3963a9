"""The clock's side of the quality watch: tells the query service whose canaries are due.

It asks no question itself and waits for none: embedding goes on in this process meanwhile.
"""

from http import HTTPStatus

import httpx
import structlog

from shared.auth.principal import Scope
from shared.auth.tokens import sign
from shared.database.engine import Database
from shared.database.quality import Quality
from shared.settings import AuthSettings
from shared.settings_quality import QualitySettings

PATH = "/v1/quality/run"
TIMEOUT_S = 5.0
TOKEN_S = 60

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class QualityClock:
    """One tick: a request for each tenant that has a collection without a recent round."""

    def __init__(
        self, database: Database, settings: QualitySettings, credentials: AuthSettings
    ) -> None:
        """Take the database, where the query service is, and what tokens are signed with."""
        self._database = database
        self._settings = settings
        self._credentials = credentials

    async def tick(self) -> str:
        """Tell it of each tenant; one that fails is told again by the next tick."""
        async with self._database.worker() as connection:
            tenants = await Quality(connection).tenants(younger_s=self._settings.every_s / 2)
        async with httpx.AsyncClient(base_url=self._settings.url, timeout=TIMEOUT_S) as http:
            told = [await self._tell(http, tenant) for tenant in tenants]
        return f"{sum(told)} of {len(tenants)} tenants' canaries begun"

    async def _tell(self, http: httpx.AsyncClient, tenant_id: str) -> bool:
        token = sign(self._credentials, tenant_id, Scope.ADMIN, subject="clock", ttl_s=TOKEN_S)
        try:
            answer = await http.post(
                PATH,
                json={"due": True, "wait": False},
                headers={"Authorization": f"Bearer {token}"},
            )
        except httpx.TransportError as error:
            log.warning("quality_not_begun", why=repr(error))
            return False
        if answer.status_code != HTTPStatus.ACCEPTED:
            log.warning("quality_not_begun", status=answer.status_code, why=answer.text[:200])
        return answer.status_code == HTTPStatus.ACCEPTED
