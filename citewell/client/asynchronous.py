"""The client for asynchronous code: one method for each call of the wire contract.

Ids may be UUIDs or their text. Every method raises `ProblemError` when the server refuses,
`ServerUnreachable` when none answers, `AnswerNotUnderstood` when it is not a Citewell server.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
from pydantic import TypeAdapter

from citewell.client.asking import AskCalls
from citewell.client.errors import AnswerNotUnderstood
from citewell.client.jobs import Id, JobCalls
from citewell.client.models import (
    Collection,
    Diagnosis,
    Document,
    File,
    OnDuplicate,
    Page,
    PlacedChunk,
    Readiness,
    SearchMode,
    UploadResult,
    Usage,
    Version,
)
from citewell.client.multipart import build_form
from citewell.client.quality import QualityCalls
from citewell.client.rebuild_models import Rebuild, Rebuilding, Rebuilds
from citewell.client.reindexing import ReindexCalls
from citewell.client.search_models import SearchResult
from citewell.client.transport import Call, given, understand
from shared.models import ParseOptions

_USAGE = TypeAdapter(Usage)
_DIAGNOSIS = TypeAdapter(Diagnosis)
_REBUILDING = TypeAdapter(Rebuilding)
_REBUILDS = TypeAdapter(Rebuilds)
_READINESS = TypeAdapter(Readiness)
_COLLECTION = TypeAdapter(Collection)
_COLLECTIONS = TypeAdapter(Page[Collection])
_UPLOAD = TypeAdapter(UploadResult)
_DOCUMENT = TypeAdapter(Document)
_DOCUMENTS = TypeAdapter(Page[Document])
_VERSIONS = TypeAdapter(Page[Version])
_CHUNK = TypeAdapter(PlacedChunk)
_CHUNKS = TypeAdapter(Page[PlacedChunk])
_SEARCH = TypeAdapter(SearchResult)
# What a file begins with (Portable Network Graphics Specification, 5.2).
_PNG = b"\x89PNG\r\n\x1a\n"


class AsyncClient(AskCalls, ReindexCalls, JobCalls, QualityCalls):
    """Speaks to one server with one key; use it as a context manager, or call `aclose`."""

    # Collections

    async def collections(
        self, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Collection]:
        """List the tenant's collections."""
        return await self._get("/v1/collections", _COLLECTIONS, cursor=cursor, limit=limit)

    async def collection(self, name: str) -> Collection:
        """Return one collection."""
        return await self._get(f"/v1/collections/{name}", _COLLECTION)

    async def put_collection(
        self,
        name: str,
        *,
        space: str | None = None,
        description: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Collection:
        """Make a collection, or change the one there is; its space stays what it was."""
        wanted = {"space": space, "description": description, "fields": fields}
        call = Call("PUT", f"/v1/collections/{name}", json=given(wanted))
        return await self._send(call, _COLLECTION)

    async def delete_collection(self, name: str) -> None:
        """Remove a collection with everything in it."""
        await self._transport.send(Call("DELETE", f"/v1/collections/{name}"))

    # Uploads

    async def upload(
        self,
        files: Iterable[File | Path | str],
        *,
        collection: str = "default",
        on_duplicate: OnDuplicate = "replace",
        attributes: Mapping[str, Any] | None = None,
        options: ParseOptions | None = None,
        password: str | None = None,
        idempotency_key: str | None = None,
    ) -> UploadResult:
        """Send files in one request, streamed; a path goes under the name it is given by.

        A cut connection is tried again: the request carries an `Idempotency-Key`, its own unless
        one is given, so that however often it is sent it is done once.

        Raises:
            FileUnreadable: one of the files cannot be read; nothing was stored.
        """
        fields = {
            "collection": collection,
            "on_duplicate": on_duplicate,
            "password": password,
            "attributes": json.dumps(attributes) if attributes else None,
            "options": options.model_dump_json(exclude_none=True) if options else None,
        }
        form = build_form(given(fields), [_as_file(file) for file in files])
        call = Call(
            "POST",
            "/v1/documents",
            body=form.body,
            headers={**form.headers, "Idempotency-Key": idempotency_key or str(uuid4())},
        )
        return await self._send(call, _UPLOAD)

    # Documents and chunks

    async def documents(
        self,
        *,
        collection: str | None = None,
        state: str | None = None,
        name: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[Document]:
        """List documents, one page at a time."""
        wanted = {"collection": collection, "state": state, "name": name, "limit": limit}
        return await self._get("/v1/documents", _DOCUMENTS, cursor=cursor, **wanted)

    async def document(self, document_id: Id) -> Document:
        """Return one document."""
        return await self._get(f"/v1/documents/{document_id}", _DOCUMENT)

    async def change_document(self, document_id: Id, *, attributes: Mapping[str, Any]) -> Document:
        """Merge attributes into a document's; None removes a name."""
        call = Call("PATCH", f"/v1/documents/{document_id}", json={"attributes": attributes})
        return await self._send(call, _DOCUMENT)

    async def delete_document(self, document_id: Id) -> None:
        """Remove a document; no query that starts afterwards sees it."""
        await self._transport.send(Call("DELETE", f"/v1/documents/{document_id}"))

    async def versions(
        self, document_id: Id, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Version]:
        """List a document's versions, newest first."""
        path = f"/v1/documents/{document_id}/versions"
        return await self._get(path, _VERSIONS, cursor=cursor, limit=limit)

    async def restore_version(self, document_id: Id, version: int) -> UploadResult:
        """Bring an old version back as the newest; no work where the newest is the same already."""
        call = Call("POST", f"/v1/documents/{document_id}/versions/{version}/restore")
        return await self._send(call, _UPLOAD)

    @asynccontextmanager
    async def content(
        self, document_id: Id, *, version: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream a version's original bytes: the live one's, else the newest's, unless told."""
        call = Call("GET", f"/v1/documents/{document_id}/content", query={"version": version})
        async with self._transport.stream(call) as response:
            yield response.aiter_bytes()

    async def download(self, document_id: Id, target: Path, *, version: int | None = None) -> None:
        """Write a version's original bytes into a file: the live one's unless told."""
        async with (
            self.content(document_id, version=version) as blocks,
            await anyio.open_file(target, "wb") as out,
        ):
            async for block in blocks:
                await out.write(block)

    async def page_picture(
        self,
        document_id: Id,
        page: int,
        *,
        chunk_id: Id | None = None,
        version: int | None = None,
        longest: int | None = None,
    ) -> bytes:
        """Draw a page of a PDF or a picture file; returns a PNG.

        Args:
            document_id: whose page.
            page: its number, from 1.
            chunk_id: a chunk whose places on the page are marked.
            version: the chunk's, else the live one, else the newest, unless told.
            longest: most pixels along a side, 64 to 3000; the server's own (1600) unless told.

        Raises:
            ProblemError: `not_found`, or `type_unsupported` for a format whose pages have no looks.
        """
        wanted = {"chunk": chunk_id, "version": version, "longest": longest}
        call = Call("GET", f"/v1/documents/{document_id}/pages/{page}.png", query=wanted)
        drawn = (await self._transport.send(call)).content
        if not drawn.startswith(_PNG):
            raise AnswerNotUnderstood("The answer is not in Citewell's form: it is no PNG.")
        return drawn

    async def chunks(
        self, document_id: Id, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[PlacedChunk]:
        """List the chunks of a document's live version, one page at a time."""
        path = f"/v1/documents/{document_id}/chunks"
        return await self._get(path, _CHUNKS, cursor=cursor, limit=limit)

    async def chunk(self, chunk_id: Id, *, neighbours: int | None = None) -> PlacedChunk:
        """Return one chunk, with so many before and after it."""
        return await self._get(f"/v1/chunks/{chunk_id}", _CHUNK, neighbours=neighbours)

    # Search and answers

    async def search(
        self,
        query: str,
        *,
        collection: str | None = None,
        limit: int = 10,
        mode: SearchMode = "hybrid",
        filters: Mapping[str, Any] | None = None,
        score_threshold: float | None = None,
        rerank: bool = False,
        neighbours: int = 0,
        distinct: bool = False,
        max_per_document: int | None = None,
    ) -> SearchResult:
        """Find the chunks that fit a query best.

        `neighbours` (≤ 3) chunks on either side come with each hit. `distinct` leaves out copies of
        better hits, and `max_per_document` what one document has beyond so many hits.
        """
        wanted = {
            "query": query,
            "collection": collection,
            "limit": limit,
            "mode": mode,
            "filters": filters,
            "score_threshold": score_threshold,
            "rerank": rerank,
            # An older server refuses fields that it does not know: only wishes are sent.
            "neighbours": neighbours or None,
            "distinct": distinct or None,
            "max_per_document": max_per_document,
        }
        return await self._send(Call("POST", "/v1/search", json=given(wanted)), _SEARCH)

    # The whole

    async def usage(self, *, since: datetime | None = None, until: datetime | None = None) -> Usage:
        """Add up what is held now, and the jobs made from `since` on and before `until`."""
        span = {"since": _moment(since), "until": _moment(until)}
        return await self._get("/v1/usage", _USAGE, **span)

    async def doctor(self, *, fix: bool = False, budget_s: float | None = None) -> Diagnosis:
        """Compare the tenant's stores for up to `budget_s` (≤ 60), and mend them; for admins."""
        wish = given({"fix": fix, "budget_s": budget_s})
        return await self._send(Call("POST", "/v1/admin/doctor", json=wish), _DIAGNOSIS)

    async def rebuild(
        self, collection: str | None = None, *, dry_run: bool = False, from_empty: bool = False
    ) -> Rebuilding:
        """Make the points of a collection, or of all, anew; with `dry_run` tell what it takes.

        May be repeated: what is under way goes on. For admins.
        """
        wish = {"collection": collection, "dry_run": dry_run, "from_empty": from_empty}
        return await self._send(Call("POST", "/v1/admin/rebuild", json=given(wish)), _REBUILDING)

    async def rebuilds(self) -> tuple[Rebuild, ...]:
        """Return the newest rebuild of each collection and how far it is; for admins."""
        return (await self._get("/v1/admin/rebuild", _REBUILDS)).items

    async def readiness(self, path: str = "/readyz") -> Readiness:
        """Ask a service if it can work; "no" is an answer, not an error."""
        response = await self._transport.send_once(Call("GET", path))
        return understand(_READINESS, response.content)


def _moment(value: datetime | None) -> str | None:
    """Write a moment for the wire; one without a zone is meant in this machine's."""
    return None if value is None else value.astimezone().isoformat()


def _as_file(file: File | Path | str) -> File:
    return file if isinstance(file, File) else File(name=str(file), content=Path(file))
