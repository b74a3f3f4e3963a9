"""The ingest API as a process: what it needs to start, and what it does besides answering."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest
from typing_extensions import override

from services.ingest_worker.app import create_app
from services.ingest_worker.context import Outside, build_context
from services.ingest_worker.messages import PARSE_PARTS, MemoryPublisher, Message
from services.ingest_worker.parsing.sandbox import seccomp
from services.ingest_worker.parsing.sandbox.confine import isolation_here
from shared.errors import ConfigurationInvalid
from shared.settings import BlobSettings, read_settings
from shared.settings_embedding import EmbeddingSettings
from shared.vectors.memory import MemoryVectorStore
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def nobody() -> Outside:
    async def ping_broker() -> None:
        pass

    return Outside(
        vectors=MemoryVectorStore(), publisher=MemoryPublisher(), ping_broker=ping_broker
    )


def test_importing_the_app_reads_no_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from services.ingest_worker.app import app; print(app.title)"],
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Citewell ingest API" in done.stdout


def test_without_a_secret_the_process_does_not_start_and_says_why() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "services.ingest_worker.app:app", "--port", "0"],
        env={"PATH": "", "CITEWELL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "CITEWELL_AUTH_SECRET" in done.stderr


async def test_settings_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITEWELL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("CITEWELL_AUTH_SECRET", "too short")
    app = create_app(settings=read_settings, outside=lambda _: nobody())
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_AUTH_SECRET"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"blobs": BlobSettings(url="")}, "CITEWELL_BLOBS_URL"),
        ({"embedding": EmbeddingSettings(space="no/such")}, "CITEWELL_EMBEDDING_SPACE"),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    settings = api_settings("postgresql://nobody@127.0.0.1:1/none", tmp_path)
    with pytest.raises(ConfigurationInvalid, match=named):
        build_context(settings.model_copy(update=change), nobody())


async def test_an_upload_is_dispatched_without_being_asked_for(
    database_url: str, tmp_path: Path
) -> None:
    settings = api_settings(database_url, tmp_path, dispatch_s=60)
    async with start_api(settings, tmp_path, loops=True) as api:
        await swept(api)
        await upload(api.client, ("a.txt", b"one"))
        await until(lambda: bool(api.publisher.sent))
        assert [message.task for message in api.publisher.sent] == [PARSE_PARTS]


async def swept(api: IngestApi) -> None:
    async def ready() -> httpx.Response:
        return await api.client.get("/readyz")

    async with asyncio.timeout(10):
        while (await ready()).json()["dependencies"]["sweeper"]["status"] != "up":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_without_a_sweep_for_a_minute_the_process_is_not_ready(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        assert (await api.client.get("/readyz")).status_code == 200
        monkeypatch.setattr("services.ingest_worker.context.STALE_S", 0.0)
        unready = await api.client.get("/readyz")
    assert unready.status_code == 503
    assert unready.json()["dependencies"]["sweeper"]["detail"].startswith("No sweep for")


async def test_readiness_names_what_holds_the_parsers(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_api(api_settings(database_url, tmp_path), tmp_path) as api:
        told = (await api.client.get("/readyz")).json()["dependencies"]["parser_isolation"]
        assert (told["status"] == "up") == (isolation_here().level == "full")
        monkeypatch.setattr(seccomp, "available", lambda: False)
        worse = await api.client.get("/readyz")
    assert worse.status_code == 200
    assert worse.json()["status"] == "degraded"
    told = worse.json()["dependencies"]["parser_isolation"]
    assert (told["status"], told["code"]) == ("down", "parser_unavailable")


async def test_a_loop_that_dies_begins_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = api_settings(database_url, tmp_path, dispatch_s=0.05)
    monkeypatch.setattr("services.ingest_worker.app.LOOP_PAUSE_S", 0.01)
    deaths = 0

    class Fragile(MemoryPublisher):
        """Fails twice, then works."""

        @override
        def publish(self, messages: Sequence[Message]) -> None:
            nonlocal deaths
            deaths += 1
            if deaths <= 2:
                message = "unforeseen"
                raise RuntimeError(message)
            super().publish(messages)

    async def ping_broker() -> None:
        pass

    outside = Outside(vectors=MemoryVectorStore(), publisher=Fragile(), ping_broker=ping_broker)
    app = create_app(settings=lambda: settings, outside=lambda _: outside)
    async with app.router.lifespan_context(app):
        await until(lambda: deaths > 3)
