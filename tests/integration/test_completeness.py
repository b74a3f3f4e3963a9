"""What a job tells of pages that are pictures: read, empty and not read, in parts and whole."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.pictures import TURBINES, Page, encoded, noise, scan, writing
from tests.support.workers import Workers

PROSE = "The lynx was seen in the valley on the second of May, near the mill. " * 3


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    settings = api_settings(database_url, tmp_path, part_pages=3)
    async with start_api(settings, tmp_path) as api:
        yield api


async def ended(api: IngestApi, workers: Workers, name: str, content: bytes, **fields: Any) -> Any:
    """Upload a file, do all the work, and return its job."""
    answer = await upload(api.client, (name, content), **fields)
    return await worked(api, workers, answer["jobs"][0]["job_id"])


async def worked(api: IngestApi, workers: Workers, job_id: str) -> Any:
    """Do all the work there is; a long file's parts come in a second round."""
    for _ in range(2):
        await workers.work()
    return (await api.client.get(f"/v1/jobs/{job_id}")).json()


async def chunks(api: IngestApi, job: Any) -> list[dict[str, Any]]:
    shown = await api.client.get(f"/v1/documents/{job['document_id']}/chunks")
    items: list[dict[str, Any]] = shown.json()["items"]
    return items


async def test_a_document_of_several_parts_counts_all_its_pages(
    api: IngestApi, workers: Workers, tmp_path: Path
) -> None:
    pages: list[Page] = [PROSE, PROSE, writing(), writing(), None, PROSE, PROSE]
    content = scan(tmp_path / "a", pages).read_bytes()
    job = await ended(api, workers, "a.pdf", content)
    assert job["state"] == "succeeded_with_warnings"
    assert job["completeness"] == {
        "pages": 7,
        "text": 4,
        "ocred": 2,
        "without_text": 1,
        "unreadable": 0,
        "skipped": 0,
        "truncated": 0,
    }
    # Pages 3 and 4 are of two parts; what is said of them is said once.
    assert [(one["code"], one["page"], one["last_page"]) for one in job["warnings"]] == [
        ("page_ocred", 3, 4),
        ("page_without_text", 5, None),
    ]
    found = [one for one in await chunks(api, job) if " ".join(TURBINES) in one["text"]]
    assert found
    assert found[0]["page_start"] <= 3 <= found[0]["page_end"]


async def test_a_scan_without_ocr_says_so_and_is_no_success(
    api: IngestApi, workers: Workers, tmp_path: Path
) -> None:
    content = scan(tmp_path / "a", [writing(), writing()]).read_bytes()
    job = await ended(api, workers, "a.pdf", content, options='{"ocr": false}')
    assert (job["state"], job["problem"]["code"]) == ("failed", "no_text_found")
    assert (job["completeness"]["pages"], job["completeness"]["without_text"]) == (2, 2)
    (warning,) = job["warnings"]
    assert (warning["code"], warning["page"], warning["last_page"]) == ("page_without_text", 1, 2)
    assert "no text layer" in warning["detail"]
    await api.client.post(f"/v1/jobs/{job['id']}/retry", json={"options": {"ocr": True}})
    again = await worked(api, workers, job["id"])
    assert (again["state"], again["completeness"]["ocred"]) == ("succeeded_with_warnings", 2)


async def test_a_long_scan_of_blank_pages_tells_why_it_failed(
    api: IngestApi, workers: Workers, tmp_path: Path
) -> None:
    content = scan(tmp_path / "a", [None] * 7).read_bytes()
    job = await ended(api, workers, "a.pdf", content)
    assert (job["state"], job["problem"]["code"]) == ("failed", "no_text_found")
    assert (job["completeness"]["pages"], job["completeness"]["without_text"]) == (7, 7)
    assert [one["detail"] for one in job["warnings"]] == ["The page is blank."]


async def test_pictures_end_with_their_text_or_without_success(
    api: IngestApi, workers: Workers
) -> None:
    read = await ended(api, workers, "a.png", encoded(writing()))
    assert (read["state"], read["completeness"]["ocred"]) == ("succeeded_with_warnings", 1)
    photograph = await ended(api, workers, "b.jpg", encoded(noise(), "JPEG"))
    assert (photograph["state"], photograph["problem"]["code"]) == ("failed", "no_text_found")
    pixels = encoded(Image.new("1", (20_000, 10_000)))
    bomb = await ended(api, workers, "c.png", pixels)
    assert bomb["problem"]["code"] == "file_too_large"


async def test_a_text_is_complete(api: IngestApi, workers: Workers) -> None:
    job = await ended(api, workers, "a.txt", b"Only words.")
    assert job["state"] == "succeeded"
    assert (job["completeness"]["pages"], job["completeness"]["text"]) == (1, 1)
