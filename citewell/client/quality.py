"""The client's calls about quality: `/v1/quality`."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from citewell.client.quality_models import (
    Canaries,
    Canary,
    CollectionTick,
    Quality,
    QualityRun,
)
from citewell.client.transport import Call, Calls, given

_QUALITY = TypeAdapter(Quality)
_RUN = TypeAdapter(QualityRun)
_CANARIES = TypeAdapter(Canaries)


class QualityCalls(Calls):
    """Asks canaries, gives them, and reads what became of them."""

    async def quality(self, collection: str = "default", *, limit: int | None = None) -> Quality:
        """Return a collection's newest ticks and its baseline."""
        return await self._get(f"/v1/quality/{collection}", _QUALITY, limit=limit)

    async def run_quality(
        self, collection: str | None = None, *, rebase: bool = False
    ) -> tuple[CollectionTick, ...]:
        """Ask the canaries of a collection, or of all, now; for admins.

        `rebase`: forget the baseline first, so that what comes from now on is the measure.
        """
        wish = given({"collection": collection, "rebase": rebase})
        # Asking costs a provider's calls: a cut connection is not tried again.
        call = Call("POST", "/v1/quality/run", json=wish, idempotent=False)
        return (await self._send(call, _RUN)).items

    async def canaries(self, collection: str = "default") -> tuple[Canary, ...]:
        """Return a collection's canaries."""
        return (await self._get(f"/v1/quality/{collection}/canaries", _CANARIES)).items

    async def put_canaries(
        self, collection: str, canaries: Sequence[Mapping[str, Any]]
    ) -> tuple[Canary, ...]:
        """Let these (`question`, `document`, `page`?) be a collection's canaries; for admins.

        With none they are made from the corpus again.
        """
        path = f"/v1/quality/{collection}/canaries"
        call = Call("PUT", path, json={"canaries": [dict(one) for one in canaries]})
        return (await self._send(call, _CANARIES)).items
