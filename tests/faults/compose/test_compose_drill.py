"""The compose file for real: load it, ask it, kill every container's main process, take it down.

`CITEWELL_DRILL_FILES` names a folder of real files; without it the samples are sent many times.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from citewell.client import Client, File, ProblemError, ServerUnreachable
from tests.support.compose import ROOT, SERVICES, Deployment, run
from tests.support.files import write_files

pytestmark = pytest.mark.compose

SAMPLES = ROOT / "citewell" / "samples" / "documents"
FILES = 100
ENDS_WITHIN_S = 300.0
QUESTION = "What is the hotel limit per night on business trips?"
SOURCE = "[Source: policies/travel-and-expenses.docx, page 1]"
FINE = {"succeeded", "succeeded_with_warnings"}


def files_to_load(folder: Path) -> list[File]:
    """Return the samples, and a hundred files of the folder that was named (or more samples)."""
    named = os.environ.get("CITEWELL_DRILL_FILES")  # noqa: TID251 - a drill's own
    samples = [path for path in sorted(SAMPLES.rglob("*")) if path.is_file()]
    if named:
        real = [path for path in sorted(Path(named).rglob("*")) if path.is_file()]
        more = [File(f"real/{path.relative_to(named)}", path) for path in real[:FILES]]
    else:
        for number in range(FILES):
            path = samples[number % len(samples)]
            shutil.copy(path, folder / f"{number:03}-{path.name}")
        more = [File(path.name, path) for path in sorted(folder.iterdir())]
    return [File(str(path.relative_to(SAMPLES)), path) for path in samples] + more


def upload(client: Client, files: list[File], collection: str = "default") -> UUID:
    """Upload until it is said to be done; the same bytes under the same name are no new work."""
    end = time.monotonic() + ENDS_WITHIN_S
    while True:
        try:
            return client.upload(files, collection=collection).batch_id
        except (ServerUnreachable, ProblemError):
            assert time.monotonic() < end
            time.sleep(0.5)


def ended(client: Client, batch_id: UUID) -> dict[str, int]:
    """Wait until everything of a batch ended and return its counts by state."""
    batch = client.wait_batch(batch_id, limit_s=ENDS_WITHIN_S)
    assert sum(batch.counts.values()) == batch.total
    return {state: count for state, count in batch.counts.items() if count}


def names(client: Client) -> set[str]:
    """Return the names of all documents that are live, in every collection."""
    collections = [collection.name for collection in client.collections().items]
    return {name for collection in collections for name in _names(client, collection)}


def _names(client: Client, collection: str) -> Iterator[str]:
    cursor = None
    while True:
        page = client.documents(collection=collection, limit=100, cursor=cursor)
        yield from (document.name for document in page.items if document.live_version)
        cursor = page.next_cursor
        if cursor is None:
            return


def test_a_hundred_files_come_in_and_a_question_is_answered_with_its_source(
    client: Client, tmp_path: Path
) -> None:
    files = files_to_load(tmp_path)
    began = time.monotonic()
    counts = ended(client, upload(client, files))
    print(f"{len(files)} files in {time.monotonic() - began:.1f} s: {counts}")
    assert FINE & counts.keys()
    assert SOURCE in client.ask(QUESTION).sources


def test_flower_shows_both_workers_and_their_tasks(deployment: Deployment) -> None:
    user, _, password = deployment.secret("flower_basic_auth").partition(":")
    with httpx.Client(base_url=deployment.flower_url, timeout=20) as flower:
        assert flower.get("/").status_code == 401
        flower.auth = httpx.BasicAuth(user, password)
        workers = flower.get("/workers", params={"json": "1"}).json()["data"]
        assert {worker["hostname"].partition("@")[0] for worker in workers} == {"parse", "embed"}
        tasks = flower.get("/tasks").text
        assert flower.get("/healthcheck").status_code == 200
    assert "tasks" in tasks.lower()
    assert all(worker["task-succeeded"] for worker in workers)


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_container_is_healthy_again_and_nothing_is_lost(
    deployment: Deployment, client: Client, tmp_path: Path, service: str
) -> None:
    before = names(client)
    words = write_files(tmp_path, 12, seed=SERVICES.index(service))
    files = [File(f"{service}/{path.relative_to(tmp_path)}", path) for path in words]
    client.put_collection(service)
    batch_id = upload(client, files, collection=service)
    pid = deployment.kill(service)
    took = deployment.wait_restarted(service, pid)
    print(f"{service}: healthy {took:.1f} s after its main process was killed")
    assert ended(client, batch_id) == {"succeeded": len(files)}
    assert names(client) == before | {file.name for file in files}
    for path, word in words.items():
        [hit] = client.search(word, collection=service, mode="sparse", limit=1).hits
        assert hit.filename == f"{service}/{path.relative_to(tmp_path)}"


def test_the_data_outlive_the_containers(deployment: Deployment, client: Client) -> None:
    before = names(client)
    deployment.compose("down")
    began = time.monotonic()
    deployment.compose("up", "-d", "--wait")
    print(f"down, and up again after {time.monotonic() - began:.1f} s")
    assert names(client) == before
    assert SOURCE in client.ask(QUESTION).sources


def test_images_are_what_they_should_be(deployment: Deployment) -> None:
    for image in ("query", "ingest"):
        size = int(run("docker", "image", "inspect", "-f", "{{.Size}}", f"citewell/{image}:local"))
        print(f"citewell/{image}: {size / 1e6:.0f} MB")
    packages = deployment.compose("exec", "-T", "query", "python", "-m", "pip", "list")
    assert not {"celery", "flower", "obstore", "unstructured", "pypdfium2"} & set(packages.split())
    for service in ("ingest", "query", "parse"):
        assert deployment.compose("exec", "-T", service, "id", "-u") == "10001"
