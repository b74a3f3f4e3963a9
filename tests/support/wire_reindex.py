"""The reindex calls of the server from memory."""

from typing import Any, Protocol

from fastapi import FastAPI

ID = "018f0000-0000-7000-8000-000000000002"
COST: dict[str, Any] = {
    "collection": "papers",
    "space": "openai/text-embedding-3-large",
    "chunker": "sections-1",
    "dimensions": 3072,
    "documents": 20,
    "chunks": 400,
    "tokens": 90_000_000,
    "calls": 5,
    "usd": 11.7,
    "seconds": 200.0,
}


class Remembers(Protocol):
    """What the calls read from and write into."""

    requests: list[tuple[str, str, dict[str, Any]]]
    looks: dict[str, int]
    endless: bool


def reindexing(state: str, *, done: int = 400, missing: int = 0) -> dict[str, Any]:
    """A reindex in a state, so many of its chunks embedded."""
    new = state in {"switched", "removing", "done"}
    return {
        "id": ID,
        "collection": "papers",
        "state": state,
        "stage": "embedding" if state == "filling" else state,
        "old": {"space": "local/bge-small-en-v1.5", "chunker": "sections-1"},
        "new": {"space": "openai/text-embedding-3-large", "chunker": "sections-1"},
        "answers": "new" if new else "old",
        "documents": {"done": 20, "total": 20},
        "chunks": {"done": done, "total": 400},
        "tokens": 9_000_000,
        "usd": 1.17,
        "waiting_for": {"kind": "operator", "detail": "No key is set."} if done == 100 else None,
        "missing": missing,
        "problems": [{"version_id": ID, "detail": "[It] could not be cut."}] * missing,
        "eta_s": 30.0 if state == "filling" else None,
        "created_at": "2026-01-01T00:00:00Z",
        "filled_at": None,
        "moved_at": None,
        "finished_at": None,
    }


def add_reindex(app: FastAPI, wire: Remembers) -> None:
    """Answer as a collection that is filled at the third look."""
    url = "/v1/collections/papers/reindex"

    @app.post(url, status_code=202)
    async def begin(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", url, body))
        wire.looks["reindex"] = 0
        begun = None if body["dry_run"] else reindexing("filling", done=100)
        return {"cost": COST, "reindex": begun}

    @app.get(url)
    async def show() -> dict[str, Any]:
        looks = wire.looks["reindex"] = wire.looks.get("reindex", 0) + 1
        if looks < 3 or wire.endless:
            return reindexing("filling", done=100 * looks)
        return reindexing("ready", missing=1)

    @app.post(f"{url}/switch")
    async def switch(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", f"{url}/switch", body))
        return reindexing("switched")

    @app.post(f"{url}/rollback")
    async def roll_back() -> dict[str, Any]:
        return reindexing("ready")

    @app.post(f"{url}/finish", status_code=202)
    async def finish() -> dict[str, Any]:
        wire.requests.append(("POST", f"{url}/finish", {}))
        return reindexing("removing")

    @app.post("/v1/search/compare")
    async def compare(body: dict[str, Any]) -> dict[str, Any]:
        wire.requests.append(("POST", "/v1/search/compare", body))
        asked = {"document_id": ID, "active_rank": 1, "other_rank": None}
        return {
            "active": {"space": "local/bge-small-en-v1.5", "recall": 0.9},
            "other": {"space": "openai/text-embedding-3-large", "recall": None},
            "overlap": 0.625,
            "questions": [{"question": "How long?", "overlap": 0.625} | asked],
        }
