"""A worker that was stopped in the middle writes a deleted document's vectors: nobody sees them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from uuid import UUID

import httpx
import pytest

from citewell.client import Client, File
from citewell.client.models import SearchMode
from tests.faults.kit import truth
from tests.faults.kit.corpus import sections
from tests.faults.kit.ground import SHORT, Ground
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.processes import send_family

LEASE_S = float(SHORT["CITEWELL_INGEST_LEASE_S"])
SWEEP_S = float(SHORT["CITEWELL_INGEST_SWEEP_S"])
GONE_WITHIN_S = 60.0
WORD = "latequix"
MODES: tuple[SearchMode, ...] = ("sparse", "dense")


@pytest.fixture
def client(field: Ground) -> Iterator[Client]:
    field.provider.hold()
    with client_of(field.stack) as client:
        yield client
    field.provider.release()


def document_under_way(field: Ground, client: Client, path: Path) -> UUID:
    """Ingest a document up to the call of the provider, which holds its answer back."""
    path.write_text(sections(WORD, path.stem))
    [one] = upload(client, [File(path.name, path)])
    end = time.monotonic() + GONE_WITHIN_S
    while not field.provider.counts().waiting:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert one.job_id
    document_id = client.job(one.job_id).document_id
    assert document_id
    return document_id


def points_of(field: Ground, document_id: UUID) -> int:
    """Count a document's points over all collections, as Qdrant's own API does."""
    settings = truth.qdrant_settings(field.stack.environment())
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    match = {"key": "document_id", "match": {"value": str(document_id)}}
    body = {"exact": True, "filter": {"must": [match]}}
    with httpx.Client(base_url=settings.url, headers={"api-key": key}) as qdrant:
        names = [one["name"] for one in qdrant.get("/collections").json()["result"]["collections"]]
        answers = [qdrant.post(f"/collections/{name}/points/count", json=body) for name in names]
    return sum(answer.json()["result"]["count"] for answer in answers)


def seen(client: Client) -> list[str]:
    """Return what of the documents a search finds, in any mode."""
    found = [client.search(WORD, mode=mode, limit=50).hits for mode in MODES]
    return [hit.text for hits in found for hit in hits if WORD in hit.text]


def watch_until_gone(field: Ground, client: Client, document_id: UUID) -> int:
    """Search until the tombstone is lifted; return the most points that there were meanwhile."""
    lifted = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        counting = beside.submit(most_points, field, document_id, lifted)
        try:
            search_until_lifted(field, client, document_id)
        finally:
            lifted.set()
        return counting.result()


def most_points(field: Ground, document_id: UUID, lifted: threading.Event) -> int:
    """Count all the time: a sweep takes the points away within seconds."""
    most = 0
    while not lifted.wait(0.02):
        most = max(most, points_of(field, document_id))
    return most


def search_until_lifted(field: Ground, client: Client, document_id: UUID) -> None:
    """Search all the time, and see nothing."""
    end = time.monotonic() + GONE_WITHIN_S
    tombstones = "SELECT count(*) AS n FROM tombstones WHERE document_id = %(id)s"
    while truth.query(field.stack, tombstones, id=document_id)[0]["n"]:
        assert seen(client) == []
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("paused_s", [0.0, LEASE_S + 2 * SWEEP_S], ids=["briefly", "for long"])
def test_vectors_that_come_after_a_deletion_are_never_seen_and_go(
    field: Ground, client: Client, tmp_path: Path, paused_s: float
) -> None:
    document_id = document_under_way(field, client, tmp_path / f"late-{paused_s:.0f}.md")
    worker = field.stack.ready["pids"]["embed"]
    send_family(worker, SIGSTOP)
    try:
        client.delete_document(document_id)
        field.provider.release()
        time.sleep(paused_s)
    finally:
        send_family(worker, SIGCONT)
    most = watch_until_gone(field, client, document_id)
    print(f"up to {most} points were there after the deletion")
    # Woken within its lease it does write them; else the test would have shown nothing.
    assert most or paused_s
    assert points_of(field, document_id) == 0
    truth.check_doctor(client)
