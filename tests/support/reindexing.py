"""A reindex driven step by step in a test's own process: its loop and its workers take turns."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from services.ingest_worker.upkeep.refill import Refiller
from shared.database.engine import Database
from shared.database.sweeps import Sweeps
from tests.support.ingest_api import IngestApi
from tests.support.workers import Workers

# Another model with vectors of the same size as the double's.
OTHER_SPACE = "openai/another-model@256"
# Live documents of one chunk each, to begin with.
FILES = 6


@dataclass(frozen=True, slots=True)
class Reindexing:
    """One collection's reindex."""

    api: IngestApi
    database: Database
    workers: Workers
    name: str = "papers"

    @property
    def url(self) -> str:
        return f"/v1/collections/{self.name}/reindex"

    async def post(self, verb: str = "", **body: Any) -> httpx.Response:
        return await self.api.client.post(f"{self.url}{verb and '/' + verb}", json=body)

    async def begin(self, **body: Any) -> dict[str, Any]:
        response = await self.post(**body)
        assert response.status_code == 202, response.text
        begun: dict[str, Any] = response.json()["reindex"]
        return begun

    async def shown(self) -> dict[str, Any]:
        response = await self.api.client.get(self.url)
        assert response.status_code == 200, response.text
        shown: dict[str, Any] = response.json()
        return shown

    async def do(self, verb: str, **body: Any) -> dict[str, Any]:
        response = await self.post(verb, **body)
        assert response.status_code in {200, 202}, response.text
        done: dict[str, Any] = response.json()
        return done

    async def work(self) -> None:
        """Let the workers read, cut and embed what waits; a slow machine gives some back first."""
        waiting = "SELECT count(*) FROM parts WHERE state <> 'done'"
        for _ in range(20):
            await self.workers.work()
            if not await self.one(waiting):
                break

    async def step(self, *, grace_s: float = 0) -> bool:
        """Let the loop of an ingest API do one round."""
        return await Refiller(
            database=self.database,
            vectors=self.api.vectors,
            wake=lambda: None,
            pause_s=0,
            grace_s=grace_s,
        ).step()

    async def go_on(self) -> dict[str, Any]:
        """Let loop and workers take turns until neither moves anything."""
        idle = 0
        for _ in range(50):
            moved = await self.step()
            moved = bool(await self.workers.recut()) or moved
            await self.workers.embed()
            idle = 0 if moved else idle + 1
            if idle > 1:
                break
        return await self.shown()

    async def one(self, statement: str, **parameters: Any) -> Any:
        async with self.database.worker() as connection:
            return (await connection.execute(text(statement), parameters)).scalar_one()

    async def active(self) -> UUID:
        found: UUID = await self.one(
            "SELECT active_index FROM collections WHERE name = :name", name=self.name
        )
        return found

    async def newest(self) -> UUID:
        found: UUID = await self.one("SELECT id FROM indexes ORDER BY created_at DESC LIMIT 1")
        return found

    async def well(self) -> bool:
        """Ask the doctor, as after a sweep."""
        async with self.database.worker() as connection:
            await Sweeps(connection).note("sweep")
        diagnosis = (await self.api.client.post("/v1/admin/doctor")).json()
        return bool(diagnosis["well"])
