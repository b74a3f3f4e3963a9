"""The MCP door, called by the official client over HTTP."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import BlobResourceContents, TextResourceContents
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import text

from services.query_api.mcp import pages
from services.query_api.mcp.tools import Toolbox
from shared.database.engine import Database
from shared.settings import Settings
from shared.settings_mcp import McpSettings
from shared.settings_providers import OpenAISettings
from tests.support.apps import query_app
from tests.support.ingest_api import IngestApi, upload
from tests.support.mcp_client import links, mcp_client, pictures, refused, structured, words
from tests.support.pictures import scan
from tests.support.provider import KEY, Manner, start_provider
from tests.support.query_api import Corpus, bearer, query_settings, token
from tests.support.serving import served
from tests.support.waiting import until
from tests.support.workers import Workers

LEAVE = "Parental leave is 16 weeks at full pay. It may be taken in two parts."
VACATION = "Every employee has 26 days of paid vacation a year."
QUESTION = "How long is parental leave?"
PROSE = "The lynx was seen in the valley on the second of May, near the mill. " * 3
MODES = ("auto", "legacy")


@dataclass(frozen=True, slots=True)
class Door:
    """A served query API."""

    url: str

    @asynccontextmanager
    async def client(
        self, tenant: str = "acme", *scopes: str, mode: str = "auto"
    ) -> AsyncIterator[Client]:
        async with mcp_client(f"{self.url}/mcp", token(tenant, *scopes), mode) as client:
            yield client


@asynccontextmanager
async def opened(settings: Settings, **mcp: Any) -> AsyncIterator[Door]:
    known = settings.model_copy(update={"mcp": McpSettings(**mcp)})
    async with query_app(known) as app, served(app) as port:
        yield Door(f"http://127.0.0.1:{port}")


@pytest.fixture
def settings(database_url: str, qdrant_url: str) -> Settings:
    return query_settings(database_url, qdrant_url)


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[Door]:
    async with opened(settings) as door:
        yield door


@pytest.mark.parametrize("mode", MODES)
async def test_every_tool_has_its_schemas_and_is_called(
    door: Door, corpus: Corpus, mode: str
) -> None:
    stored = await corpus.add(VACATION, LEAVE, filename="handbook.pdf", attributes={"year": 2026})
    async with door.client(mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "ask", "list_collections", "get_document_page"}
        assert all(tool.output_schema and tool.description for tool in tools.values())
        assert all(not tool.input_schema["additionalProperties"] for tool in tools.values())

        page_2 = f"citewell://documents/{stored.document_id}/pages/2"
        found = await client.call_tool("search", {"query": QUESTION, "limit": 1})
        (hit,) = structured(found)["hits"]
        assert (hit["text"], hit["page_start"]) == (LEAVE, 2)
        assert LEAVE in words(found)
        assert links(found) == [page_2, f"citewell://chunks/{stored.chunk_ids[1]}"]

        answer = await client.call_tool("ask", {"question": QUESTION})
        assert structured(answer)["citations"][0]["quote"] in LEAVE
        assert "[Source: handbook.pdf, page 2]" in words(answer)
        assert page_2 in links(answer)

        listed = structured(await client.call_tool("list_collections"))
        (collection,) = listed["items"]
        assert (collection["name"], listed["next_cursor"]) == ("default", None)

        wish = {"document_id": str(stored.document_id), "page": 2, "picture": False}
        page = await client.call_tool("get_document_page", wish)
        assert structured(page)["text"] == LEAVE
        assert structured(page)["picture"] is False
        assert not pictures(page)


@pytest.mark.parametrize("mode", MODES)
async def test_links_can_be_followed(door: Door, corpus: Corpus, mode: str) -> None:
    stored = await corpus.add(VACATION, LEAVE)
    async with door.client(mode=mode) as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert {one.uri_template.partition("://")[2].split("/")[0] for one in templates} == {
            "documents",
            "chunks",
        }
        assert (await client.list_resources()).resources == []
        found = await client.call_tool("search", {"query": QUESTION, "limit": 1})
        for uri in links(found):
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            assert (content.text, content.mime_type) == (LEAVE, "text/plain")
        for uri in (
            f"citewell://documents/{stored.document_id}/pages/9",
            f"citewell://documents/{uuid4()}/pages/1",
            f"citewell://chunks/{uuid4()}",
            "citewell://chunks/------------------------------------",
            "file:///etc/passwd",
        ):
            with pytest.raises(MCPError) as raised:
                await client.read_resource(uri)
            assert raised.value.error.data["code"] == "not_found"


async def test_an_answer_through_this_door_is_in_the_trail(door: Door, corpus: Corpus) -> None:
    await corpus.add(LEAVE)
    async with door.client() as client:
        answer_id = structured(await client.call_tool("ask", {"question": QUESTION}))["answer_id"]
    async with httpx.AsyncClient(base_url=door.url, headers=bearer("acme", "admin")) as http:
        assert (await http.get(f"/v1/answers/{answer_id}")).json()["outcome"] == "extractive"


async def test_two_tenants_see_their_own(door: Door, corpus: Corpus) -> None:
    await corpus.add(LEAVE, tenant="acme", filename="acme.txt")
    theirs = await corpus.add(LEAVE, tenant="rival", filename="rival.txt")
    async with door.client("acme") as client:
        found = structured(await client.call_tool("search", {"query": QUESTION}))
        assert {hit["filename"] for hit in found["hits"]} == {"acme.txt"}
        wish = {"document_id": str(theirs.document_id), "picture": False}
        assert refused(await client.call_tool("get_document_page", wish)) == "not_found"
        with pytest.raises(MCPError):
            await client.read_resource(f"citewell://chunks/{theirs.chunk_ids[0]}")


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("search", {"query": "x", "filters": {"page": {"near": 1}}}, "invalid_request"),
        ("search", {"query": "x", "collection": "nowhere"}, "not_found"),
        ("search", {}, "invalid_request"),
        ("search", {"query": "x", "wish": 1}, "invalid_request"),
        ("ask", {"question": "x" * 1001}, "invalid_request"),
        ("ask", {"question": "x", "collection": "no such name"}, "invalid_request"),
        ("list_collections", {"cursor": "%"}, "invalid_request"),
        ("get_document_page", {"document_id": "x"}, "invalid_request"),
        ("get_document_page", {"document_id": str(uuid4())}, "not_found"),
    ],
)
async def test_what_is_wrong_is_a_tool_error_with_our_code(
    door: Door, corpus: Corpus, tool: str, arguments: dict[str, Any], code: str
) -> None:
    await corpus.add(LEAVE)
    async with door.client() as client:
        assert refused(await client.call_tool(tool, arguments)) == code


async def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(door: Door) -> None:
    async with door.client() as client:
        with pytest.raises(MCPError, match="no tool"):
            await client.call_tool("delete_everything", {})


async def test_the_unexpected_tells_nothing(
    door: Door, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        secret = "the secret of the house"  # noqa: S105
        raise RuntimeError(secret)

    monkeypatch.setattr(Toolbox, "_search", broken)
    async with door.client() as client:
        failed = await client.call_tool("search", {"query": "x"})
    assert refused(failed) == "internal_error"
    assert "secret" not in str(failed)


async def test_who_is_not_known_does_not_come_in(door: Door) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepts = {"Accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(base_url=door.url, headers=accepts) as http:
        for headers in ({}, {"Authorization": "Bearer cw_wrong"}):
            response = await http.post("/mcp", json=body, headers=headers)
            assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
            assert response.headers["WWW-Authenticate"] == "Bearer"
        unfit = await http.post("/mcp", json=body, headers=bearer("acme", "ingest"))
        assert (unfit.status_code, unfit.json()["code"]) == (403, "forbidden")
        for method in ("GET", "DELETE"):
            other = await http.request(method, "/mcp", headers=bearer("acme"))
            assert (other.status_code, other.headers["Allow"]) == (405, "POST")


async def test_pages_of_other_origins_are_let_in_where_they_are_named(settings: Settings) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with opened(settings, origins="https://app.example.com") as door:
        own = door.url
        headers = bearer("acme") | {"Accept": "application/json, text/event-stream"}
        async with httpx.AsyncClient(base_url=door.url, headers=headers) as http:
            for origin, status in (
                ("https://app.example.com", 200),
                (own, 200),
                ("https://evil.example.com", 403),
                ("null", 403),
            ):
                response = await http.post("/mcp", json=body, headers={"Origin": origin})
                assert response.status_code == status, origin


async def test_a_long_text_is_read_on(
    door: Door, corpus: Corpus, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(pages, "MOST_CHUNKS", 2)
    stored = await corpus.add("One.", "Two.", "Three.")
    await all_on_page_1(database)
    wish: dict[str, Any] = {"document_id": str(stored.document_id), "picture": False}
    async with door.client() as client:
        first = structured(await client.call_tool("get_document_page", wish))
        assert (first["text"], first["next_ordinal"]) == ("One.\n\nTwo.", 2)
        rest = await client.call_tool("get_document_page", wish | {"from_ordinal": 2})
        assert (structured(rest)["text"], structured(rest)["next_ordinal"]) == ("Three.", None)


async def all_on_page_1(database: Database) -> None:
    async with database.worker() as connection:
        await connection.execute(text("UPDATE chunks SET page_start = 1, page_end = 1"))


async def test_a_page_is_seen_with_the_passage_marked(
    settings: Settings, api: IngestApi, workers: Workers, tmp_path: Path
) -> None:
    content = scan(tmp_path / "a", [PROSE, None]).read_bytes()
    sent = await upload(api.client, ("a.pdf", content), ("b.txt", PROSE.encode()))
    await workers.work()
    scanned, plain = (job["document_id"] for job in sent["jobs"])
    chunks = (await api.client.get(f"/v1/documents/{scanned}/chunks")).json()["items"]
    async with (
        served(api.app) as port,
        opened(settings, ingest_url=f"http://127.0.0.1:{port}", picture_pixels=620) as door,
        door.client() as client,
    ):
        bare = await client.call_tool("get_document_page", {"document_id": scanned})
        wish = {"document_id": scanned, "chunk_id": chunks[0]["id"]}
        marked = await client.call_tool("get_document_page", wish)
        assert "lynx" in structured(marked)["text"]
        assert (size(bare), size(marked)) == ((620, 450), (620, 450))
        assert pictures(bare)[0].data != pictures(marked)[0].data

        uri = f"citewell://documents/{scanned}/pages/1.png?chunk={chunks[0]['id']}"
        (read,) = (await client.read_resource(uri)).contents
        assert isinstance(read, BlobResourceContents)
        assert (read.mime_type, read.blob) == ("image/png", pictures(marked)[0].data)

        only_text = await client.call_tool("get_document_page", {"document_id": plain})
        assert not pictures(only_text)
        assert structured(only_text)["picture_problem"]["code"] == "type_unsupported"
        assert "lynx" in words(only_text)
        with pytest.raises(MCPError) as raised:
            await client.read_resource(f"citewell://documents/{plain}/pages/1.png")
        assert raised.value.error.data["code"] == "not_found"


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9"])
async def test_where_nothing_draws_the_text_comes_and_says_so(
    settings: Settings, corpus: Corpus, url: str
) -> None:
    stored = await corpus.add(LEAVE)
    async with opened(settings, ingest_url=url) as door, door.client() as client:
        page = await client.call_tool("get_document_page", {"document_id": str(stored.document_id)})
    assert structured(page)["text"] == LEAVE
    assert "There is no picture" in words(page)
    assert structured(page)["picture_problem"]["status"] == 503


def size(result: Any) -> tuple[int, int]:
    (picture,) = pictures(result)
    assert picture.mime_type == "image/png"
    return Image.open(io.BytesIO(base64.b64decode(picture.data))).size


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_that_leaves_ends_the_call_at_the_provider(
    settings: Settings, corpus: Corpus, mode: str
) -> None:
    await corpus.add(LEAVE)
    with start_provider() as provider:
        provider.chat_text, provider.manner = "Parental leave [1]. " * 200, Manner(pause_s=0.05)
        openai = OpenAISettings(api_key=SecretStr(KEY), base_url=provider.url)
        async with opened(settings.model_copy(update={"openai": openai})) as door:
            asking = asyncio.create_task(asked(door, mode))
            await until(lambda: provider.requests, within_s=30)
            asking.cancel()
            await until(lambda: provider.left == 1)


async def asked(door: Door, mode: str) -> None:
    async with door.client(mode=mode) as client:
        await client.call_tool("ask", {"question": QUESTION})
