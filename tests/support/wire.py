"""A small server that answers the wire contract from memory, over real HTTP, and can misbehave.

Files called `bad…` fail as jobs, empty ones are refused, `odd…` end with a warning; every job ends
at the second look at its batch. `faults` are answered first, one a request; `cuts` break as many
streams of events after their first event with an id.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import UploadFile

from shared.errors import (
    CitewellError,
    DeadlineExceeded,
    FileCorrupt,
    FileEmpty,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from shared.problems import problem_of
from shared.web import sse
from tests.support.wire_reindex import add_reindex

KEY = "cw_test"


@dataclass(frozen=True, slots=True)
class Fault:
    """What one request is answered instead of its answer; `cut` breaks the line after reading."""

    error: CitewellError | None = None
    retry_after: str | None = None
    body: str | None = None
    status: int = 502
    cut: bool = False


WELL: dict[str, Any] = {"well": True, "complete": True, "stuck": {"sweep_age_s": 1.2}}


@dataclass(slots=True)
class Wire:
    """What the server holds and what it has seen."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    uploads: list[int] = field(default_factory=list)
    batches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    at_once: int = 0
    most_at_once: int = 0
    upload_s: float = 0.0
    endless: bool = False
    cuts: int = 0
    stream_ends_with: CitewellError | None = None
    down: frozenset[str] = frozenset()
    answer: dict[str, Any] = field(default_factory=lambda: dict(ANSWER))
    stream_problem: CitewellError | None = None
    stream_cut: bool = False
    hit: dict[str, Any] = field(default_factory=lambda: dict(HIT))
    diagnosis: dict[str, Any] = field(default_factory=lambda: deepcopy(WELL))
    cost: dict[str, Any] = field(default_factory=lambda: dict(COST))
    deleted: list[str] = field(default_factory=list)
    ticks: list[dict[str, Any]] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)
    retry_pages: int = 1

    def last(self, path: str) -> dict[str, Any]:
        """Return the body of the newest request to a path."""
        return next(body for _, seen, body in reversed(self.requests) if seen == path)


ID = "018f0000-0000-7000-8000-000000000001"
HIT: dict[str, Any] = {
    "chunk_id": ID,
    "document_id": ID,
    "version": 1,
    "ordinal": 0,
    "collection": "default",
    "filename": "manual.pdf",
    "attributes": {},
    "page_start": 3,
    "page_end": 4,
    "section": ["3 Batteries", "3.1 Battery life"],
    "text": "It runs for 214 days [on one set].",
    "score": 0.91,
    "scores": {"dense": 0.8, "sparse": 7.0, "fused": 0.9, "rerank": None},
    "a_field_of_a_newer_server": 1,
}
# What a hit has beside it where that was asked for.
NEIGHBOUR = {
    "chunk_id": ID,
    "ordinal": 1,
    "page_start": 3,
    "page_end": 3,
    "section": [],
    "text": "",
}
COPY = {"document_id": ID, "filename": "copy.pdf", "chunk_id": ID, "page_start": 1}
ANSWER: dict[str, Any] = {
    "answer_id": ID,
    "answer": "It runs for 214 days [1].",
    "sources": ["[Source: manual.pdf, page 3]"],
    "confidence": 0.83,
    "citations": [
        {
            "marker": "[Source: manual.pdf, page 3]",
            "document_id": ID,
            "filename": "manual.pdf",
            "page": 3,
            "section": [],
            "quote": "It runs for 214 days",
            "chunk_id": ID,
            "score": 0.91,
        }
    ],
    "abstained": False,
    "model": "extractive",
    "prompt_version": "1",
    "usage": {},
    "timings": {},
}
# How a file's job fails, by how its name begins; `mute` leaves no problem.
FAILURES: dict[str, CitewellError | None] = {
    "bad": FileCorrupt("It is cut short."),
    "late": DeadlineExceeded(),
    "mute": None,
}
GONE = "018f0000-0000-7000-8000-00000000dead"
MISSING_VERSION = 9
MISSING_PAGE, FOREIGN_PAGE = 9, 8
PNG = b"\x89PNG\r\n\x1a\n"
NEWEST_VERSION = 4
SUMS: dict[str, Any] = {
    "documents": 2,
    "versions": 3,
    "chunks": 40,
    "stored_bytes": 3_400_000,
    "jobs": {"succeeded": 2, "failed": 1},
    "embedding": {"tokens": 900, "provider_calls": 4, "cached": 7},
}
COST: dict[str, Any] = {
    "collection": "papers",
    "space": "openai/text-embedding-3-small",
    "documents": 20,
    "chunks": 400,
    "unknown": 300,
    "tokens": 90_000_000,
    "calls": 5,
    "usd": 1.8,
    "seconds": 200.0,
}
DOCUMENT: dict[str, Any] = {"id": ID, "name": "manual.pdf", "collection": "default"}
CHUNK: dict[str, Any] = {
    "id": ID,
    "document_id": ID,
    "version": 1,
    "ordinal": 0,
    "text": "x",
    "tokens": 1,
    "page_start": 1,
    "page_end": 1,
}


def rebuilding(looks: int) -> dict[str, Any]:
    """A rebuild that is done at the third look."""
    done = looks >= 3
    return {
        "id": ID,
        "collection": "papers",
        "stage": "done" if done else "embedding",
        "documents": 20,
        "chunks": 400,
        "left": 0 if done else 400 - 100 * looks,
        "created_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:00Z" if done else None,
    }


def build(wire: Wire) -> FastAPI:
    """Return the app that answers from and writes into `wire`."""
    app = FastAPI()

    @app.middleware("http")
    async def gate(request: Request, proceed: Callable[..., Any]) -> Response:
        wire.headers.append(dict(request.headers))
        if wire.faults:
            await request.body()
            return _faulty(wire.faults.pop(0))
        open_door = request.url.path.endswith("/readyz")
        if not open_door and request.headers.get("authorization") != f"Bearer {KEY}":
            return _problem(Unauthenticated())
        answer: Response = await proceed(request)
        return answer

    @app.exception_handler(CitewellError)
    async def refuse(request: Request, error: CitewellError) -> Response:
        return _problem(error)

    _collections(app, wire)
    _uploads(app, wire)
    _jobs(app, wire)
    _documents(app, wire)
    _document_bytes(app, wire)
    _chunks(app)
    _query(app, wire)
    _operating(app, wire)
    _quality(app, wire)
    add_reindex(app, wire)
    return app


def _collections(app: FastAPI, wire: Wire) -> None:
    @app.get("/v1/collections")
    async def listed() -> dict[str, Any]:
        return {"items": list(wire.collections.values()), "next_cursor": None}

    @app.get("/v1/collections/{name}")
    async def one(name: str) -> dict[str, Any]:
        if name not in wire.collections:
            raise NotFound(f"There is no collection {name!r}.")
        return wire.collections[name]

    @app.put("/v1/collections/{name}")
    async def put(name: str, body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("PUT", f"/v1/collections/{name}", body))
        wire.collections[name] = {"name": name, "space": "local/small", **body}
        return wire.collections[name]

    @app.delete("/v1/collections/{name}", status_code=204)
    async def delete(name: str) -> None:
        wire.collections.pop(name, None)


def _uploads(app: FastAPI, wire: Wire) -> None:
    @app.post("/v1/documents", status_code=202)
    async def upload(request: Request) -> dict[str, Any]:
        wire.at_once += 1
        wire.most_at_once = max(wire.most_at_once, wire.at_once)
        async with request.form(max_files=10_000) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            files = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
            wire.requests.append(("POST", "/v1/documents", fields))
            wire.uploads.append(len(files))
            entries = [await _received(wire, file) for file in files]
        await asyncio.sleep(wire.upload_s)
        wire.at_once -= 1
        batch_id = str(uuid4())
        wire.batches[batch_id] = [entry for entry in entries if entry["job_id"]]
        return {"batch_id": batch_id, "jobs": entries}

    @app.get("/v1/batches")
    async def batches(cursor: str | None = None) -> dict[str, Any]:
        start, ids = int(cursor or 0), list(wire.batches)[::-1]
        rest = str(start + 2) if start + 2 < len(ids) else None
        return {"items": [_batch(wire, id_) for id_ in ids[start : start + 2]], "next_cursor": rest}

    @app.get("/v1/batches/{batch_id}")
    async def batch(batch_id: str) -> dict[str, Any]:
        return _batch(wire, batch_id)

    @app.get("/v1/batches/{batch_id}/events")
    async def events(batch_id: str) -> StreamingResponse:
        _batch(wire, batch_id)
        return StreamingResponse(_events(wire, batch_id), media_type="text/event-stream")

    @app.post("/v1/batches/{batch_id}/{verb}")
    async def act_on_batch(batch_id: str, verb: str, request: Request) -> dict[str, Any]:
        body = await request.body()
        sent = json.loads(body) if body else {}
        wire.requests.append(("POST", f"/v1/batches/{batch_id}/{verb}", sent))
        if verb in ("pause", "resume"):
            (wire.paused.add if verb == "pause" else wire.paused.discard)(batch_id)
        return _batch(wire, batch_id)


def _jobs(app: FastAPI, wire: Wire) -> None:

    @app.get("/v1/jobs")
    async def jobs(
        *,
        batch: str | None = None,
        state: str | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        wanted = [batch] if batch else list(wire.batches)
        found = [job for one in wanted for job in _jobs_of(wire, one)]
        found = [job for job in found if state in (None, job["state"])]
        found = [job for job in found if code in (None, _problem_of(job, "code"))]
        found = [job for job in found if retryable in (None, _problem_of(job, "retryable"))]
        start = int(cursor or 0)
        rest = str(start + 2) if start + 2 < len(found) else None
        return {"items": found[start : start + 2], "next_cursor": rest}

    @app.post("/v1/jobs/retry")
    async def retry(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/jobs/retry", body))
        shown = [job for one in wire.batches for job in _jobs_of(wire, one)]
        found = [job for job in shown if body.get("code") in (None, _problem_of(job, "code"))]
        failed = [job for job in found if job["state"] == "failed"]
        wire.retry_pages -= 1
        more = "next" if wire.retry_pages > 0 else None
        return {"retried": len(failed), "passed_over": 0, "next_cursor": more}

    @app.get("/v1/jobs/{job_id}")
    async def job(job_id: str) -> dict[str, Any]:
        return _job_of(wire, job_id)

    @app.post("/v1/jobs/{job_id}/{verb}")
    async def act(job_id: str, verb: str, request: Request) -> dict[str, Any]:
        body = await request.body()
        sent = json.loads(body) if body else {}
        wire.requests.append(("POST", f"/v1/jobs/{job_id}/{verb}", sent))
        state = {"cancel": "cancelled", "retry": "queued"}[verb]
        return {**_job_of(wire, job_id), "state": state, "problem": None}


def _documents(app: FastAPI, wire: Wire) -> None:
    @app.get("/v1/documents")
    async def listed(request: Request) -> dict[str, Any]:
        wire.requests.append(("GET", "/v1/documents", dict(request.query_params)))
        return {"items": [DOCUMENT], "next_cursor": "next"}

    @app.get("/v1/documents/{document_id}")
    async def one(document_id: str) -> dict[str, Any]:
        if document_id == GONE:
            raise NotFound(f"There is no document {document_id}.")
        return DOCUMENT

    @app.patch("/v1/documents/{document_id}")
    async def change(document_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**DOCUMENT, **body}

    @app.delete("/v1/documents/{document_id}", status_code=204)
    async def delete(document_id: str) -> None:
        wire.deleted.append(document_id)


def _document_bytes(app: FastAPI, wire: Wire) -> None:
    @app.get("/v1/documents/{document_id}/versions")
    async def versions(document_id: str) -> dict[str, Any]:
        return {"items": [{"version": 1, "pages": 3}], "next_cursor": None}

    @app.post("/v1/documents/{document_id}/versions/{version}/restore", status_code=202)
    async def restore(document_id: str, version: int) -> dict[str, Any]:
        if version == MISSING_VERSION:
            raise NotFound("There is no such version.")
        same = {"duplicate_of": ID, "state": "succeeded"} if version == NEWEST_VERSION else {}
        entry = {"filename": "manual.pdf", "document_id": document_id, "state": "queued"}
        return {
            "batch_id": ID,
            "jobs": [{**entry, "job_id": ID, "version": NEWEST_VERSION, **same}],
        }

    @app.get("/v1/documents/{document_id}/content")
    async def content(document_id: str, version: int | None = None) -> Response:
        if version == MISSING_VERSION:
            raise NotFound("There is no such version.")
        return Response(b"%PDF" * 100_000)

    @app.get("/v1/documents/{document_id}/pages/{page}.png")
    async def page_picture(request: Request, document_id: str, page: int) -> Response:
        wire.requests.append(("GET", "/pages", dict(request.query_params)))
        if page == MISSING_PAGE:
            raise NotFound(f"The file has no page {page}.")
        return Response(b"a proxy's page" if page == FOREIGN_PAGE else PNG + document_id.encode())


def _operating(app: FastAPI, wire: Wire) -> None:
    @app.get("/v1/usage")
    async def usage(request: Request) -> dict[str, Any]:
        wire.requests.append(("GET", "/v1/usage", dict(request.query_params)))
        return {"total": SUMS, "collections": [{"name": "default", **SUMS}]}

    @app.post("/v1/admin/rebuild", status_code=202)
    async def rebuild(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/admin/rebuild", body))
        wire.looks["rebuild"] = 0
        begun = [] if body["dry_run"] else [rebuilding(1)]
        return {"costs": [wire.cost], "rebuilds": begun}

    @app.get("/v1/admin/rebuild")
    async def rebuilds() -> dict[str, Any]:
        wire.looks["rebuild"] += 1
        return {"items": [rebuilding(2 if wire.endless else wire.looks["rebuild"])]}

    @app.post("/v1/admin/doctor")
    async def doctor(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/admin/doctor", body))
        if "not_for" in wire.diagnosis:
            raise wire.diagnosis["not_for"]
        return wire.diagnosis


TICK: dict[str, Any] = {
    "id": ID,
    "created_at": "2026-01-02T03:04:05Z",
    "state": "degraded",
    "reasons": ["cosine", "recall_dense"],
    "measures": {"recall_hybrid": 0.95, "recall_dense": 0.4, "cosine": 0.512, "abstained": 0.1},
    "questions": 20,
    "skipped": 0,
    "errors": 2,
    "provider_calls": 20,
}
CANARY: dict[str, Any] = {"question": "Why?", "document": "manual.pdf", "page": 3, "live": False}


def _quality(app: FastAPI, wire: Wire) -> None:
    @app.post("/v1/quality/run")
    async def run(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/quality/run", body))
        wire.ticks.insert(0, TICK)
        return {"items": [{"collection": "papers", "tick": TICK}]}

    @app.get("/v1/quality/{collection}")
    async def history(collection: str) -> dict[str, Any]:
        state = wire.ticks[0]["state"] if wire.ticks else "unknown"
        baseline = {"recall_hybrid": 0.95, "recall_dense": 0.9, "cosine": 0.784}
        about = {"collection": collection, "collection_id": ID, "state": state}
        return {**about, "baseline": baseline, "ticks": wire.ticks}

    @app.get("/v1/quality/{collection}/canaries")
    async def canaries(collection: str) -> dict[str, Any]:
        return {"items": [CANARY, {**CANARY, "chunk_id": ID, "live": True}]}

    @app.put("/v1/quality/{collection}/canaries")
    async def put_canaries(collection: str, body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("PUT", f"/v1/quality/{collection}/canaries", body))
        return {"items": body["canaries"]}


def _chunks(app: FastAPI) -> None:
    @app.get("/v1/documents/{document_id}/chunks")
    async def chunks(document_id: str) -> dict[str, Any]:
        return {"items": [CHUNK], "next_cursor": None}

    @app.get("/v1/chunks/{chunk_id}")
    async def chunk(chunk_id: str) -> dict[str, Any]:
        return CHUNK


def _query(app: FastAPI, wire: Wire) -> None:
    @app.post("/v1/search")
    async def search(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/search", body))
        return {"hits": [] if body["query"] == "nothing" else [wire.hit], "timings": {}}

    @app.post("/v1/query", response_model=None)
    async def query(body: dict[str, Any]) -> Response | dict[str, Any]:
        wire.requests.append(("POST", "/v1/query", body))
        if not body.get("stream"):
            return wire.answer
        return Response("".join(_answer_events(wire)), media_type=sse.MEDIA_TYPE)

    @app.post("/v1/feedback")
    async def feedback(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/feedback", body))
        return {**body, "given_by": "key:cw_1", "given_at": "2026-01-01T00:00:00Z"}

    @app.get("/{service}/readyz")
    async def readyz(service: str) -> JSONResponse:
        names = {"ingest": ("postgres", "redis"), "query": ("postgres", "qdrant")}[service]
        down = [name for name in names if name in wire.down]
        parts = {
            name: {
                "status": "down" if name in wire.down else "up",
                "required": name != "redis",
                "latency_ms": 1.2,
                "detail": "The probe failed." if name in wire.down else None,
            }
            for name in names
        }
        required = any(name != "redis" for name in down)
        status = "unavailable" if required else "degraded" if down else "ready"
        body = {"status": status, "dependencies": parts}
        return JSONResponse(body, status_code=503 if required else 200)


async def _received(wire: Wire, file: UploadFile) -> dict[str, Any]:
    name = file.filename or ""
    content = await file.read()
    wire.names.append(name)
    entry: dict[str, Any] = {"filename": name, "document_id": str(uuid4()), "version": 1}
    if not content:
        problem = problem_of(FileEmpty()).model_dump(mode="json")
        return {**entry, "job_id": None, "state": "failed", "problem": problem}
    unchanged = wire.contents.get(name) == content
    wire.contents[name] = content
    duplicate = {"duplicate_of": str(uuid4())} if unchanged else {}
    return {**entry, "job_id": str(uuid4()), "state": "queued", **duplicate}


def _batch(wire: Wire, batch_id: str) -> dict[str, Any]:
    if batch_id not in wire.batches:
        raise NotFound
    wire.looks[batch_id] = wire.looks.get(batch_id, 0) + 1
    jobs = _jobs_of(wire, batch_id)
    counts = Counter(job["state"] for job in jobs)
    revision = wire.looks[batch_id]
    shown = {"id": batch_id, "collection": "default", "total": len(jobs)}
    shown["paused"] = batch_id in wire.paused
    return shown | {"counts": counts, "revision": revision}


async def _events(wire: Wire, batch_id: str) -> AsyncIterator[str]:
    yield "retry: 1000\n\n: still working\n\n"
    ended, number = False, 0
    while not ended:
        jobs, batch = _jobs_of(wire, batch_id), _batch(wire, batch_id)
        ended = not any(job["state"] in ("parsing", "embedding") for job in jobs)
        told = [("job", job) for job in jobs] + [("batch", batch)]
        for name, data in told + ([("end", batch)] if ended else []):
            number += 1
            yield f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
            if wire.cuts:
                wire.cuts -= 1
                yield "event: job\ndata: {"
                raise ConnectionAbortedError
        if (error := wire.stream_ends_with) is not None:
            wire.stream_ends_with = None
            yield f"event: error\ndata: {json.dumps(_as_json(error))}\n\n"
            return
        await asyncio.sleep(0.02)


def _jobs_of(wire: Wire, batch_id: str) -> list[dict[str, Any]]:
    running = wire.endless or wire.looks.get(batch_id, 0) < 2
    return [_job(entry, batch_id, running=running) for entry in wire.batches[batch_id]]


def _job(entry: dict[str, Any], batch_id: str, *, running: bool) -> dict[str, Any]:
    name = entry["filename"].rpartition("/")[2]
    job = {"id": entry["job_id"], "filename": entry["filename"], "batch_id": batch_id}
    if name.startswith("parked"):
        waiting = {"kind": "operator", "code": "quota_exceeded", "detail": "Nothing is left."}
        return {**job, "state": "embedding", "waiting_for": waiting}
    if running:
        return {**job, "state": "parsing", "pages": {"done": 0, "total": 1}}
    job["pages"] = {"done": 1, "total": 1}
    for prefix, error in FAILURES.items():
        if name.startswith(prefix):
            return {**job, "state": "failed", "problem": _as_json(error) if error else None}
    if name.startswith("odd"):
        warning = {"code": "page_without_text", "detail": "Nothing on it.", "page": 2}
        told = {"pages": 1, "without_text": 1}
        odd = {"state": "succeeded_with_warnings", "warnings": [warning], "completeness": told}
        return {**job, **odd}
    return {**job, "state": "succeeded", "chunks": {"done": 3, "total": 3}}


def _problem_of(job: dict[str, Any], name: str) -> Any:
    return (job.get("problem") or {}).get(name)


def _job_of(wire: Wire, job_id: str) -> dict[str, Any]:
    for batch_id in wire.batches:
        for job in _jobs_of(wire, batch_id):
            if job["id"] == job_id:
                return job
    raise NotFound


def _as_json(error: CitewellError) -> dict[str, Any]:
    return problem_of(error).model_dump(mode="json")


def _problem(error: CitewellError, retry_after: str | None = None) -> JSONResponse:
    body = _as_json(error)
    headers = {"Retry-After": retry_after} if retry_after else {}
    return JSONResponse(
        body, body["status"], headers=headers, media_type="application/problem+json"
    )


def _faulty(fault: Fault) -> Response:
    if fault.cut:
        # A length that is never filled: the client sees the line break mid-answer.
        return Response(b"", headers={"Content-Length": "10"})
    if fault.error is not None:
        return _problem(fault.error, fault.retry_after)
    return Response(fault.body or "", fault.status, media_type="text/html")


def busy(times: int = 1, retry_after: str | None = "0") -> list[Fault]:
    """Return faults of a server that is too busy."""
    return [Fault(error=RateLimited("Too much is queued."), retry_after=retry_after)] * times


def down(times: int = 1) -> list[Fault]:
    """Return faults of a server that misses a part."""
    return [Fault(error=Unavailable("A part is down."), retry_after="0")] * times


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Run an app on a free port of the loopback address; yields its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    limit = time.monotonic() + 10
    while not server.started and time.monotonic() < limit:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@contextmanager
def serving_wire() -> Iterator[Wire]:
    """Run an in-memory server; yields what it holds, its URL included."""
    wire = Wire()
    with serving(build(wire)) as url:
        wire.url = url
        yield wire


def forget(wire: Wire) -> Wire:
    """Return a server to how it began, so that one may serve many tests."""
    fresh = Wire(url=wire.url)
    for name in Wire.__slots__:
        setattr(wire, name, getattr(fresh, name))
    return wire


def sent_json(wire: Wire, field_name: str) -> Any:
    """Return a form field of the newest upload, read as JSON."""
    return json.loads(wire.last("/v1/documents")[field_name])


def _answer_events(wire: Wire) -> Iterator[str]:
    answer = dict(wire.answer)
    yield sse.event("meta", {name: answer.pop(name) for name in ("answer_id", "prompt_version")})
    yield sse.COMMENT
    head, space, rest = str(answer["answer"]).partition(" ")
    yield from (sse.event("token", {"text": text}) for text in (head, space + rest) if text)
    if wire.stream_problem is not None:
        yield sse.event("error", problem_of(wire.stream_problem).model_dump(mode="json"))
        return
    yield from (sse.event("citation", citation) for citation in answer.pop("citations"))
    if not wire.stream_cut:
        yield sse.event("done", answer)
