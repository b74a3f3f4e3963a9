"""Pages drawn through the API: what is marked and cached, who may see them, what is refused."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from citewell.client import AsyncClient, ProblemError
from services.ingest_worker import page_pictures
from tests.support.ingest_api import IngestApi, token, upload
from tests.support.pictures import encoded, scan, writing
from tests.support.serving import served
from tests.support.shell import Run, runner
from tests.support.workers import Workers

PROSE = "The lynx was seen in the valley on the second of May, near the mill. " * 3
WHITE = (255, 255, 255)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return runner(monkeypatch, capsys)


async def loaded(api: IngestApi, name: str, content: bytes, workers: Workers | None = None) -> str:
    answer = await upload(api.client, (name, content))
    if workers is not None:
        await workers.work()
    return str(answer["jobs"][0]["document_id"])


async def get(api: IngestApi, document: str, page: int, **query: Any) -> httpx.Response:
    return await api.client.get(f"/v1/documents/{document}/pages/{page}.png", params=query)


def shown(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(response.content))


def colours(image: Image.Image) -> set[Any]:
    """Return what is neither white nor grey in a page of black on white."""
    found = image.convert("RGB").getcolors(1 << 24) or []
    return {rgb for _, rgb in found if isinstance(rgb, tuple) and max(rgb) - min(rgb) > 60}


async def test_a_chunk_is_marked_on_its_page_alone(
    api: IngestApi, workers: Workers, tmp_path: Path
) -> None:
    content = scan(tmp_path / "a", [PROSE, None]).read_bytes()
    document = await loaded(api, "a.pdf", content, workers)
    listed = await api.client.get(f"/v1/documents/{document}/chunks")
    chunk = listed.json()["items"][0]
    bare = shown(await get(api, document, 1, longest=620))
    assert bare.size == (620, 450)
    assert not colours(bare)
    marked = shown(await get(api, document, 1, longest=620, chunk=chunk["id"]))
    box = chunk["boxes"][0]
    middle = (round((box["x0"] + box["x1"]) / 2), round(box["y1"] + 1))
    assert marked.getpixel(middle) != WHITE
    assert marked.getpixel((600, 440)) == WHITE
    assert not colours(shown(await get(api, document, 2, chunk=chunk["id"])))


async def test_pictures_and_large_pages_keep_their_bounds(api: IngestApi) -> None:
    document = await loaded(api, "a.jpg", encoded(writing(), "JPEG"))
    assert max(shown(await get(api, document, 1, longest=300)).size) == 300
    assert max(shown(await get(api, document, 1)).size) == 1240


async def test_what_has_not_changed_is_not_drawn_again(
    api: IngestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await loaded(api, "a.png", encoded(writing()))
    path = f"/v1/documents/{document}/pages/1.png"
    first = await api.client.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    monkeypatch.setattr(page_pictures, "MOST_WAITING", 0)
    again = await api.client.get(path, headers={"If-None-Match": f'W/"x", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    full = await api.client.get(path, params={"longest": 99}, headers={"If-None-Match": tag})
    assert (full.status_code, full.json()["code"]) == (429, "rate_limited")
    assert full.headers["retry-after"] == "5"


async def test_nobody_else_sees_a_page_and_no_one_a_deleted_one(api: IngestApi) -> None:
    document = await loaded(api, "a.png", encoded(writing()))
    path = f"/v1/documents/{document}/pages/1.png"
    assert (await api.as_tenant("other").get(path)).status_code == 404
    tag = (await api.client.get(path)).headers["etag"]
    await api.client.delete(f"/v1/documents/{document}")
    gone = await api.client.get(path, headers={"If-None-Match": tag})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_what_cannot_be_drawn_is_a_typed_error(
    api: IngestApi, workers: Workers, tmp_path: Path
) -> None:
    picture = await loaded(api, "a.png", encoded(writing()), workers)
    words = await loaded(api, "a.txt", b"Only words.", workers)
    broken = await loaded(api, "b.png", encoded(writing())[:400])
    chunks = (await api.client.get(f"/v1/documents/{words}/chunks")).json()["items"]
    for document, page, query, status, code in (
        (picture, 2, {}, 404, "not_found"),
        (picture, 1, {"chunk": chunks[0]["id"]}, 404, "not_found"),
        (picture, 1, {"version": 7}, 404, "not_found"),
        (picture, 0, {}, 422, "invalid_request"),
        (picture, 1, {"longest": 9000}, 422, "invalid_request"),
        (words, 1, {}, 415, "type_unsupported"),
        (broken, 1, {}, 422, "file_corrupt"),
    ):
        answer = await get(api, document, page, **query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.fixture
async def url(api: IngestApi) -> AsyncIterator[str]:
    async with served(api.app) as port:
        yield f"http://127.0.0.1:{port}"


async def test_the_client_draws_what_a_search_would_cite(
    api: IngestApi, workers: Workers, url: str, tmp_path: Path
) -> None:
    content = scan(tmp_path / "a", [PROSE]).read_bytes()
    document = await loaded(api, "a.pdf", content, workers)
    words = await loaded(api, "a.txt", b"Only words.", workers)
    async with AsyncClient(url, key=token("acme")) as client:
        [chunk] = (await client.chunks(document)).items
        bare = await client.page_picture(document, chunk.page_start, longest=620)
        marked = await client.page_picture(document, 1, chunk_id=chunk.id, version=1, longest=620)
        assert not colours(Image.open(io.BytesIO(bare)))
        assert colours(Image.open(io.BytesIO(marked)))
        for refused, page, code in ((document, 2, "not_found"), (words, 1, "type_unsupported")):
            with pytest.raises(ProblemError) as caught:
                await client.page_picture(refused, page)
            assert caught.value.problem.code == code


async def test_the_command_line_writes_a_page_or_nothing(
    api: IngestApi, workers: Workers, url: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    picture = await loaded(api, "scans/a.png", encoded(writing()), workers)
    words = await loaded(api, "a.txt", b"Only words.", workers)
    chunk = (await api.client.get(f"/v1/documents/{picture}/chunks")).json()["items"][0]["id"]
    monkeypatch.setenv("CITEWELL_URL", url)
    monkeypatch.setenv("CITEWELL_API_KEY", token("acme"))
    told = await asyncio.to_thread(run, "documents", "page", picture, "1", "--chunk", chunk)
    assert told.code == 0, told.err
    assert told.out.startswith("a-page-1.png (")
    assert colours(Image.open("a-page-1.png"))
    told = await asyncio.to_thread(run, "documents", "page", words, "1", "-o", "words.png")
    assert told.code == 4
    assert "can be drawn" in told.err
    assert [path.name for path in Path().iterdir()] == ["a-page-1.png"]  # noqa: ASYNC240


async def test_many_at_once_all_get_their_page_and_leave_nothing(
    api: IngestApi, tmp_path: Path
) -> None:
    document = await loaded(api, "a.pdf", scan(tmp_path / "a", [PROSE] * 8).read_bytes())
    answers = await asyncio.gather(*(get(api, document, page) for page in range(1, 9)))
    assert [one.status_code for one in answers] == [200] * 8
    pictures = api.context.pictures
    assert pictures._scratch is not None  # noqa: SLF001 - what is left there is the point
    folder = pictures._scratch.path  # noqa: SLF001
    assert [path for path in folder.iterdir() if path.is_file()] == []
    await pictures.aclose()
    assert not folder.exists()
