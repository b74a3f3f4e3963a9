"""The calls about reindexes: begun, followed, compared, switched, rolled back, finished."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from citewell.client.reindex_models import Comparison, Reindex, Reindexing
from citewell.client.transport import Call, Calls, given

_REINDEX = TypeAdapter(Reindex)
_REINDEXING = TypeAdapter(Reindexing)
_COMPARISON = TypeAdapter(Comparison)


class ReindexCalls(Calls):
    """The part of `AsyncClient` that gives a collection another space or chunking."""

    async def reindex(
        self,
        collection: str,
        *,
        space: str | None = None,
        chunk_tokens: int | None = None,
        dry_run: bool = False,
    ) -> Reindexing:
        """Fill a second index beside the one that answers, or tell what that takes; for admins.

        Without `space` it stays; without `chunk_tokens` chunks are as large as the space suggests.
        """
        wish = {"space": space, "chunk_tokens": chunk_tokens, "dry_run": dry_run}
        # A second reindex is refused: a cut connection is not tried again.
        call = Call("POST", _url(collection), json=given(wish), idempotent=dry_run)
        return await self._send(call, _REINDEXING)

    async def reindex_state(self, collection: str) -> Reindex:
        """Return the newest reindex of a collection and how far it is."""
        return await self._get(_url(collection), _REINDEX)

    async def compare_indexes(
        self, collection: str, questions: Sequence[str] = (), *, canaries: int | None = None
    ) -> Comparison:
        """Ask both indexes the same: your questions, and sentences of the documents; for admins."""
        wish = {"collection": collection, "questions": list(questions), "canaries": canaries}
        return await self._send(Call("POST", "/v1/search/compare", json=given(wish)), _COMPARISON)

    async def switch_index(self, collection: str, *, accept_missing: bool = False) -> Reindex:
        """Let the new index answer, once it is filled; may be repeated; for admins."""
        wish = {"accept_missing": accept_missing}
        return await self._send(Call("POST", f"{_url(collection)}/switch", json=wish), _REINDEX)

    async def roll_back_index(self, collection: str) -> Reindex:
        """Let the old index answer again; may be repeated; for admins."""
        return await self._send(Call("POST", f"{_url(collection)}/rollback"), _REINDEX)

    async def finish_reindex(self, collection: str) -> Reindex:
        """Remove the index that does not answer; may be repeated; for admins."""
        return await self._send(Call("POST", f"{_url(collection)}/finish"), _REINDEX)


def _url(collection: str) -> str:
    return f"/v1/collections/{collection}/reindex"
