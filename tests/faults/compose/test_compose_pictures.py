"""Pictures in the compose file's containers: scans read in there, pages drawn, both shut in."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from citewell.client import Client, File, Job
from services.ingest_worker.parsing.sandbox.confine import isolation_here
from shared.models import ParseOptions
from tests.support.compose import Deployment
from tests.support.pictures import TURBINES, scan, writing

pytestmark = pytest.mark.compose

ENDS_WITHIN_S = 180.0
SCRATCH = "/var/lib/citewell/scratch"
# A little less than CITEWELL_INGEST_MAX_FILE_BYTES lets in; noise cannot be packed.
NOISE = (8000, 8000)


def read(client: Client, name: str, content: Path, **options: str) -> Job:
    """Upload a file as new and return its job once it has ended."""
    sent = client.upload(
        [File(name, content)], on_duplicate="new", options=ParseOptions.model_validate(options)
    )
    client.wait_batch(sent.batch_id, limit_s=ENDS_WITHIN_S)
    [job_id] = [entry.job_id for entry in sent.jobs]
    assert job_id is not None
    return client.job(job_id)


def shown(client: Client, job: Job, page: int = 1, *, marked: bool) -> set[tuple[int, ...]]:
    """Return the colours, beyond white and grey, of a page that is drawn."""
    assert job.document_id is not None
    chunk = client.chunks(job.document_id).items[0].id if marked else None
    drawn = client.page_picture(job.document_id, page, chunk_id=chunk)
    colours = Image.open(io.BytesIO(drawn)).convert("RGB").getcolors(1 << 24) or []
    return {rgb for _, rgb in colours if isinstance(rgb, tuple) and max(rgb) - min(rgb) > 60}


def logged(deployment: Deployment, service: str, event: str) -> list[dict[str, object]]:
    """Return what a service logged under a name."""
    # Compose may put signs for a terminal before a line.
    lines = [line[line.index("{") :] for line in deployment.logs(service) if event in line]
    told = (json.loads(line) for line in lines)
    return [line for line in told if line.get("event") == event]


def files_in(deployment: Deployment, folder: str) -> str:
    return deployment.compose("exec", "-T", "ingest", "find", folder, "-type", "f")


def test_a_scan_is_read_in_its_container_and_its_page_is_drawn(
    client: Client, deployment: Deployment, tmp_path: Path
) -> None:
    job = read(client, "scan.pdf", scan(tmp_path / "scan", [writing()]))
    [warning] = job.warnings
    assert (job.state, warning.code) == ("succeeded_with_warnings", "page_ocred")
    assert "rapidocr" in warning.detail
    [hit] = client.search("turbines storm", mode="sparse", limit=1).hits
    assert hit.text == " ".join(TURBINES)
    assert not shown(client, job, marked=False)
    assert shown(client, job, marked=True)
    assert files_in(deployment, SCRATCH) == ""


def test_parsers_are_held_in_containers_as_well_as_the_kernel_can(
    client: Client, deployment: Deployment
) -> None:
    here = str(isolation_here())
    print(f"isolation: {here}")
    assert client.readiness("/ingest/readyz").dependencies["parser_isolation"].detail == here
    assert {line["holds"] for line in logged(deployment, "parse", "parser_isolation")} == {here}
    [engine] = {line["engine"] for line in logged(deployment, "parse", "ocr_engine")}
    assert str(engine).startswith("rapidocr ")


def test_a_page_of_the_largest_file_is_drawn(
    client: Client, deployment: Deployment, tmp_path: Path
) -> None:
    noise = Image.frombytes("RGB", NOISE, os.urandom(3 * NOISE[0] * NOISE[1]))
    path = scan(tmp_path / "large", [(writing(), "The lynx was seen near the mill."), noise])
    assert 190e6 < path.stat().st_size < 200 * 2**20
    job = read(client, "large.pdf", path)
    print(f"{path.stat().st_size / 1e6:.0f} MB: {job.state}, {job.warnings}")
    assert not shown(client, job, marked=False)
    assert files_in(deployment, SCRATCH) == ""


@pytest.fixture
def with_tesseract(deployment: Deployment) -> Iterator[None]:
    """The profile `ocr` instead of the plain parse worker."""
    profile = ("--profile", "ocr")
    try:
        deployment.compose(*profile, "up", "-d", "--build", "--wait", "--scale", "parse=0")
        yield
    finally:
        deployment.compose(*profile, "rm", "--stop", "--force", "parse-ocr")
        deployment.compose("up", "-d", "--wait")


@pytest.mark.usefixtures("with_tesseract")
def test_the_profile_reads_with_tesseract_in_the_languages_it_was_built_with(
    client: Client, deployment: Deployment, tmp_path: Path
) -> None:
    [engine] = {line["engine"] for line in logged(deployment, "parse-ocr", "ocr_engine")}
    assert str(engine).startswith("tesseract ")
    told = deployment.compose("exec", "-T", "parse-ocr", "tesseract", "--list-langs")
    assert {"eng", "deu", "chi_sim", "jpn"} <= set(told.split())
    path = scan(tmp_path / "tesseract", [writing()])
    job = read(client, "tesseract.pdf", path, language="en+de")
    assert [warning.code for warning in job.warnings] == ["page_ocred"]
    assert str(engine) in job.warnings[0].detail
    assert job.document_id is not None
    [chunk] = client.chunks(job.document_id).items
    assert chunk.text == " ".join(TURBINES)
    assert shown(client, job, marked=True)
