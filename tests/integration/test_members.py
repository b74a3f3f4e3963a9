"""Archives and mails grow their batch: members become documents and jobs of their own, once."""

import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.ingest_worker.uploads.members import MemberIntake
from shared.database.uploads import Uploads
from shared.errors import DatabaseUnavailable
from tests.support.attached import only_pinned, partly_locked, pdf_with_files
from tests.support.ingest_api import IngestApi, api_settings, start_api, upload
from tests.support.workers import Workers, working

FOX = b"The quick brown fox jumps over the lazy dog.\n"
LYNX = b"A lynx was seen in the valley at dawn.\n"
OPENS = "open sesame"


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[IngestApi]:
    settings = api_settings(
        database_url,
        tmp_path,
        max_archive_depth=2,
        max_members=20,
        max_request_bytes=2**20,
        part_pages=2,
    )
    async with start_api(settings, tmp_path) as api:
        yield api


@pytest.fixture
async def workers(api: IngestApi, tmp_path: Path) -> AsyncIterator[Workers]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with working(api, scratch) as workers:
        yield workers


def zipped(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


async def batch(api: IngestApi, answer: Mapping[str, Any]) -> dict[str, Any]:
    response = await api.client.get(f"/v1/batches/{answer['batch_id']}")
    body: dict[str, Any] = response.json()
    return body


async def jobs(api: IngestApi, answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    response = await api.client.get(f"/v1/jobs?batch={answer['batch_id']}&limit=100")
    return {job["filename"]: job for job in response.json()["items"]}


async def rows(api: IngestApi, statement: str) -> list[Any]:
    async with api.context.database.worker() as connection:
        return list(await connection.execute(text(statement)))


async def test_members_are_documents_of_their_own(api: IngestApi, workers: Workers) -> None:
    content = zipped(
        {"fox.txt": FOX, "../../etc/lynx.txt": LYNX, "sub/": b"", "x.bin": b"\0\1\2" * 99, "e": b""}
    )
    answer = await upload(
        api.client, ("a.zip", content), attributes='{"year": 2020}', options='{"language": "en"}'
    )
    await workers.work()
    grown = await batch(api, answer)
    assert (grown["total"], sum(grown["counts"].values())) == (4, 4)
    assert grown["counts"]["queued"] == 3
    await workers.work()
    done = await jobs(api, answer)
    assert {name: job["state"] for name, job in done.items()} == {
        "a.zip": "succeeded_with_warnings",
        "a.zip/fox.txt": "succeeded",
        "a.zip/../../etc/lynx.txt": "succeeded",
        "a.zip/x.bin": "failed",
    }
    assert done["a.zip/x.bin"]["problem"]["code"] == "type_unsupported"
    (left_out,) = done["a.zip"]["warnings"]
    assert left_out["code"] == "attachment_skipped"
    assert left_out["detail"].startswith("a.zip/e is left out")
    document = await api.client.get(f"/v1/documents/{done['a.zip/fox.txt']['document_id']}")
    assert document.json()["attributes"] == {"year": 2020}
    found = await rows(api, "SELECT DISTINCT options->>'language' FROM versions")
    assert [row[0] for row in found] == ["en"]


async def test_followers_are_told_that_the_batch_grew(api: IngestApi, workers: Workers) -> None:
    answer = await upload(api.client, ("a.zip", zipped({"fox.txt": FOX})))
    await workers.work()
    told = await rows(api, "SELECT batch_id::text FROM events WHERE job_id IS NULL")
    assert [row[0] for row in told] == [answer["batch_id"]]


async def test_attachments_of_a_mail(api: IngestApi, workers: Workers) -> None:
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner.set_content("A word from within.")
    inner.add_attachment(LYNX, "text", "plain", filename="lynx.txt")
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Foxes", "ada@example.com"
    mail.set_content("See what is attached.")
    mail.add_attachment(FOX, maintype="text", subtype="plain", filename="note.txt")
    mail.add_attachment(LYNX, maintype="text", subtype="plain", filename="note.txt")
    mail.add_attachment(inner)
    answer = await upload(api.client, ("m.eml", mail.as_bytes()))
    for _ in range(3):
        await workers.work()
    done = await jobs(api, answer)
    assert {name: job["state"] for name, job in done.items()} == {
        "m.eml": "succeeded",
        "m.eml/note.txt": "succeeded",
        "m.eml/note (2).txt": "succeeded",
        "m.eml/Inner.eml": "succeeded",
        "m.eml/Inner.eml/lynx.txt": "succeeded",
    }


async def test_files_in_a_pdf_are_documents_of_their_own(api: IngestApi, workers: Workers) -> None:
    inner = pdf_with_files(["Inside."], {"lynx.txt": LYNX})
    content = pdf_with_files([""], {"fox.txt": FOX, "inner.pdf": inner, "x.bin": b"\0\1\2" * 99})
    answer = await upload(api.client, ("a.pdf", content), options='{"ocr": false}')
    for _ in range(3):
        await workers.work()
    done = await jobs(api, answer)
    assert {name: job["state"] for name, job in done.items()} == {
        "a.pdf": "succeeded_with_warnings",
        "a.pdf/fox.txt": "succeeded",
        "a.pdf/inner.pdf": "succeeded",
        "a.pdf/inner.pdf/lynx.txt": "succeeded",
        "a.pdf/x.bin": "failed",
    }
    # The page has no text of its own; it is found by what it is a cover of.
    assert [one["code"] for one in done["a.pdf"]["warnings"]] == ["page_without_text"]
    grown = await batch(api, answer)
    assert (grown["total"], sum(grown["counts"].values()), grown["sealed"]) == (5, 5, True)


async def test_files_in_a_long_pdf_come_with_their_parts(api: IngestApi, workers: Workers) -> None:
    pages = [f"Page {number} of a report." for number in range(1, 8)]
    pinned = {"early.txt": 2, "late.txt": 6, "last.txt": 7}
    content = only_pinned(pdf_with_files(pages, {}, pinned=pinned))
    answer = await upload(api.client, ("a.pdf", content))
    for _ in range(3):
        await workers.work()
    done = await jobs(api, answer)
    assert {name: job["state"] for name, job in done.items()} == {
        "a.pdf": "succeeded",
        "a.pdf/page-2/early.txt": "succeeded",
        "a.pdf/page-6/late.txt": "succeeded",
        "a.pdf/page-7/last.txt": "succeeded",
    }
    assert done["a.pdf"]["completeness"]["pages"] == len(pages)
    assert (await batch(api, answer))["total"] == 4


def cancel_at_its_end(monkeypatch: pytest.MonkeyPatch, api: IngestApi, job_id: str) -> None:
    """Have a job cancelled when its members are about to be added."""
    lock = MemberIntake.lock

    async def cancel_first(self: MemberIntake, connection: Any) -> None:
        await api.client.post(f"/v1/jobs/{job_id}/cancel")
        await lock(self, connection)

    monkeypatch.setattr(MemberIntake, "lock", cancel_first)


async def test_a_part_that_is_cancelled_meanwhile_adds_nothing(
    api: IngestApi, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pdf_with_files(["One.", "Two.", "Three."], {"fox.txt": FOX})
    answer = await upload(api.client, ("a.pdf", content))
    job_id, blobs = answer["jobs"][0]["job_id"], api.blobs()
    cancel_at_its_end(monkeypatch, api, job_id)
    await workers.work()
    assert [job["state"] for job in (await jobs(api, answer)).values()] == ["cancelled"]
    assert api.blobs() == blobs


async def test_a_part_with_too_many_files_leaves_none(api: IngestApi, workers: Workers) -> None:
    attached = {f"{n}.txt": FOX for n in range(21)}
    content = pdf_with_files(["One.", "Two.", "Three."], attached)
    answer = await upload(api.client, ("a.pdf", content))
    blobs = api.blobs()
    for _ in range(2):
        await workers.work()
    (job,) = (await jobs(api, answer)).values()
    assert (job["state"], job["problem"]["code"]) == ("failed", "archive_unsafe")
    assert api.blobs() == blobs


async def test_a_pdf_that_lies_too_deep_is_read_without_its_files(
    api: IngestApi, workers: Workers
) -> None:
    content = pdf_with_files(["Deep down."], {"fox.txt": FOX})
    for depth in range(2):
        content = zipped({f"{depth}.{'zip' if depth else 'pdf'}": content})
    answer = await upload(api.client, ("a.zip", content))
    for _ in range(4):
        await workers.work()
    done = await jobs(api, answer)
    deepest = done["a.zip/1.zip/0.pdf"]
    assert deepest["state"] == "succeeded_with_warnings"
    assert deepest["completeness"]["skipped"] == 1
    assert len(done) == 3


async def test_a_cover_page_around_locked_files_needs_its_password(
    api: IngestApi, workers: Workers
) -> None:
    content = partly_locked(OPENS, strong=True, attached={"fox.txt": FOX})
    refused = await upload(api.client, ("a.pdf", content))
    opened = await upload(api.client, ("b.pdf", content), password=OPENS)
    for _ in range(2):
        await workers.work()
    (job,) = (await jobs(api, refused)).values()
    assert (job["state"], job["problem"]["code"]) == ("failed", "file_encrypted")
    (job,) = (await jobs(api, opened)).values()
    assert (job["state"], job["completeness"]["skipped"]) == ("succeeded_with_warnings", 1)


async def test_archives_in_archives_end_somewhere(api: IngestApi, workers: Workers) -> None:
    content = zipped({"fox.txt": FOX})
    for depth in range(3):
        content = zipped({f"{depth}.zip": content})
    answer = await upload(api.client, ("a.zip", content))
    for _ in range(4):
        await workers.work()
    done = await jobs(api, answer)
    deepest = done["a.zip/2.zip/1.zip"]
    assert (deepest["state"], deepest["problem"]["code"]) == ("failed", "archive_unsafe")
    assert len(done) == 3


@pytest.mark.parametrize(
    "members",
    [
        {f"{n}.txt": FOX for n in range(21)},
        {f"{n}.txt": b"%d" % n * 2**18 for n in range(5)},
        {"bomb.txt": bytes(40 * 2**20)},
    ],
)
async def test_what_is_too_much_leaves_nothing(
    api: IngestApi, workers: Workers, members: dict[str, bytes]
) -> None:
    content = zipped(members)
    answer = await upload(api.client, ("a.zip", content))
    blobs = api.blobs()
    await workers.work()
    (job,) = (await jobs(api, answer)).values()
    assert (job["state"], job["problem"]["code"]) == ("failed", "archive_unsafe")
    assert job["problem"]["stage"] == "unpack"
    assert (await batch(api, answer))["total"] == 1
    assert api.blobs() == blobs


async def test_siblings_share_what_their_archive_may_unpack_to(
    api: IngestApi, workers: Workers
) -> None:
    inner = {f"{n}.zip": zipped({f"{n}-{m}.txt": FOX for m in range(8)}) for n in range(3)}
    answer = await upload(api.client, ("a.zip", zipped(inner)))
    for _ in range(3):
        await workers.work()
    done = await jobs(api, answer)
    codes = [job["problem"]["code"] for job in done.values() if job["state"] == "failed"]
    assert codes == ["archive_unsafe"]
    assert len(done) == 1 + 3 + 2 * 8


async def test_unchanged_members_are_no_work(api: IngestApi, workers: Workers) -> None:
    await upload(api.client, ("a.zip", zipped({"fox.txt": FOX, "lynx.txt": LYNX})))
    for _ in range(2):
        await workers.work()
    before = len(api.blobs())
    changed = zipped({"fox.txt": FOX, "lynx.txt": LYNX + b"And again at dusk.\n"})
    answer = await upload(api.client, ("a.zip", changed))
    await workers.work()
    states = {name: job["state"] for name, job in (await jobs(api, answer)).items()}
    assert states["a.zip/fox.txt"] == "succeeded"
    assert states["a.zip/lynx.txt"] == "queued"
    # The archive and one member: what was known is not kept twice.
    assert len(api.blobs()) == before + 2


async def test_a_job_cancelled_meanwhile_adds_nothing(
    api: IngestApi, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await upload(api.client, ("a.zip", zipped({"fox.txt": FOX})))
    job_id, blobs = answer["jobs"][0]["job_id"], api.blobs()
    cancel_at_its_end(monkeypatch, api, job_id)
    await workers.work()
    assert [job["state"] for job in (await jobs(api, answer)).values()] == ["cancelled"]
    assert api.blobs() == blobs


async def test_killed_before_the_commit_it_comes_out_once(
    api: IngestApi, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await upload(api.client, ("a.zip", zipped({"fox.txt": FOX, "lynx.txt": LYNX})))
    grow = Uploads.grow

    async def die_after(self: Uploads, *args: Any, **parts: Any) -> None:
        await grow(self, *args, **parts)
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(Uploads, "grow", die_after)
        with pytest.raises(DatabaseUnavailable):
            await workers.work()
    assert (await batch(api, answer))["total"] == 1
    await rows(api, "UPDATE parts SET lease_until = now() - interval '1 s' RETURNING number")
    await rows(api, "UPDATE parts SET published_at = NULL, state = 'queued' RETURNING number")
    for _ in range(2):
        await workers.work()
    done = await batch(api, answer)
    assert (done["total"], done["counts"]["succeeded"]) == (3, 3)
    assert json.dumps(await jobs(api, answer)).count('"a.zip/fox.txt"') == 2
