"""The ingest API in a test's own process: real database and folder, doubles for the rest."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from fastapi import FastAPI
from pydantic import SecretStr

from services.ingest_worker.context import IngestContext, Outside
from services.ingest_worker.messages import MemoryPublisher
from shared.settings import AuthSettings, BlobSettings, DatabaseSettings, IngestSettings, Settings
from shared.settings_embedding import EmbeddingSettings
from shared.vectors.memory import MemoryVectorStore
from tests.support.apps import ingest_app
from tests.support.postgres import PATIENT_S

SECRET = "a secret of more than thirty-two characters"  # noqa: S105
BOOTSTRAP = "a bootstrap key of more than thirty-two characters"
ALL_SCOPES = ("ingest", "query", "admin")

Files = Sequence[tuple[str, bytes]]


def api_settings(database_url: str, folder: Path, **ingest: Any) -> Settings:
    """Settings of an ingest API that reads nothing from the environment."""
    return Settings(
        database=DatabaseSettings(url=database_url, pool_timeout_s=PATIENT_S),
        blobs=BlobSettings(url=(folder / "blobs").as_uri()),
        auth=AuthSettings(secret=SecretStr(SECRET), CITEWELL_BOOTSTRAP_KEY=SecretStr(BOOTSTRAP)),
        embedding=EmbeddingSettings(space="fake/bytes"),
        ingest=IngestSettings(**ingest),
    )


def token(tenant: str, *scopes: str, **claims: Any) -> str:
    """Return a JWT of a tenant, good for an hour."""
    held = {
        "tenant": tenant,
        "scopes": list(scopes or ALL_SCOPES),
        "aud": "citewell",
        "exp": time.time() + 3600,
    }
    return jwt.encode(held | claims, SECRET, algorithm="HS256")


@dataclass(frozen=True, slots=True)
class IngestApi:
    """A started ingest API."""

    app: FastAPI
    client: httpx.AsyncClient
    vectors: MemoryVectorStore
    publisher: MemoryPublisher
    blob_folder: Path

    @property
    def context(self) -> IngestContext:
        context: IngestContext = self.app.state.context
        return context

    def blobs(self) -> list[Path]:
        """Every file in the blob folder."""
        return sorted(path for path in self.blob_folder.rglob("*") if path.is_file())

    def as_tenant(self, tenant: str, *scopes: str) -> httpx.AsyncClient:
        """Return a client with a tenant's token; close it or not, it holds no connection."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://ingest",
            headers={"Authorization": f"Bearer {token(tenant, *scopes)}"},
        )


@asynccontextmanager
async def start_api(
    settings: Settings, folder: Path, *, loops: bool = False
) -> AsyncIterator[IngestApi]:
    """Start the API for tenant `acme`; without `loops` nothing is dispatched or swept."""
    vectors, publisher = MemoryVectorStore(), MemoryPublisher()

    async def ping_broker() -> None:
        raise ConnectionRefusedError

    outside = Outside(vectors=vectors, publisher=publisher, ping_broker=ping_broker)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(ingest_app(settings, outside, loops=loops))
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://ingest",
            headers={"Authorization": f"Bearer {token('acme')}"},
        )
        await stack.enter_async_context(client)
        yield IngestApi(app, client, vectors, publisher, folder / "blobs")


def as_parts(files: Files) -> list[tuple[str, tuple[str, bytes]]]:
    """Return files as httpx sends them."""
    return [("file", (name, content)) for name, content in files]


async def upload(
    client: httpx.AsyncClient, *files: tuple[str, bytes], **fields: str
) -> dict[str, Any]:
    """Upload files and return the answer's body."""
    response = await client.post("/v1/documents", files=as_parts(files), data=fields)
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json()
    return body


def states(answer: Mapping[str, Any]) -> list[str]:
    """Return the states of an upload's jobs."""
    return [job["state"] for job in answer["jobs"]]
