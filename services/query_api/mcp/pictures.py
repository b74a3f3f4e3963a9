"""Pages drawn by the ingest service, in the caller's own name: the query service draws nothing."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import httpx
import structlog
from pydantic import ValidationError

from services.query_api.mcp.values import Caller
from shared.errors import Unavailable
from shared.models import Problem
from shared.problems import problem_of
from shared.settings_mcp import McpSettings

MOST_BYTES = 16 * 1024 * 1024
MOST_CONNECTIONS = 20

logger: structlog.stdlib.BoundLogger = structlog.get_logger("citewell.mcp")


@dataclass(frozen=True, slots=True)
class Place:
    """A page of a version, and the chunk to mark on it."""

    document_id: UUID
    version: int
    page: int
    chunk_id: UUID | None = None


class PagePictures:
    """Asks for pages over pooled connections; nothing connects before the first."""

    def __init__(self, settings: McpSettings) -> None:
        """Take where, how long and how large."""
        self._settings = settings
        self._http: httpx.AsyncClient | None = None

    async def draw(self, place: Place, caller: Caller) -> bytes | Problem:
        """Return a page as PNG, or why there is none."""
        if not self._settings.ingest_url:
            return problem_of(Unavailable("No ingest service is named that draws pages."))
        try:
            answer = await self._ask(place, caller)
        except httpx.HTTPError as error:
            logger.warning("page_not_drawn", why=repr(error))
            return problem_of(Unavailable("The ingest service, which draws pages, is not there."))
        if answer.status_code == HTTPStatus.OK and len(answer.content) <= MOST_BYTES:
            return answer.content
        return _problem(answer)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _ask(self, place: Place, caller: Caller) -> httpx.Response:
        self._http = self._http or self._build()
        wanted: dict[str, str | int] = {
            "version": place.version,
            "longest": self._settings.picture_pixels,
        }
        if place.chunk_id is not None:
            wanted["chunk"] = str(place.chunk_id)
        return await self._http.get(
            f"/v1/documents/{place.document_id}/pages/{place.page}.png",
            params=wanted,
            headers={"Authorization": caller.authorization},
        )

    def _build(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._settings.ingest_url,
            timeout=self._settings.picture_timeout_s,
            limits=httpx.Limits(max_connections=MOST_CONNECTIONS),
        )


def _problem(answer: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(answer.content)
    except ValidationError:
        logger.warning("page_not_drawn", status=answer.status_code)
        return problem_of(Unavailable("The ingest service did not draw the page."))
