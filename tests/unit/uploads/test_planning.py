"""What becomes of each file, by its name, its bytes and what the sender asked for."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.uploads.form import OnDuplicate, UploadForm
from services.ingest_worker.uploads.planning import Plan, names_of, plan_upload
from services.ingest_worker.uploads.receiving import ReceivedFile, RefusedFile
from shared.database.uploads import Newest
from shared.errors import FileEmpty
from shared.identity import new_id
from shared.models import ParseOptions

READ = {"ocr": None, "language": None}


def file(name: str = "a.txt", content: str = "one") -> ReceivedFile:
    return ReceivedFile(name, new_id(), content.encode(), len(content))


def known(name: str = "a.txt", content: str = "one", **changes: Any) -> Newest:
    held: dict[str, Any] = {
        "document_id": new_id(),
        "name": name,
        "attributes": {"year": 2020},
        "version": 3,
        "sha256": content.encode(),
        "options": READ,
        "version_id": new_id(),
        "job_id": new_id(),
        "job_state": "succeeded",
    }
    return Newest(**(held | changes))


def plan(*files: ReceivedFile | RefusedFile, newest: Newest | None = None, **form: Any) -> Plan:
    present = {newest.name: newest} if newest else {}
    return plan_upload(files, form=UploadForm(**form), newest=present)


def test_a_new_name_becomes_a_document() -> None:
    made = plan(file(), attributes={"year": 2021})
    [document] = made.documents.values()
    [job] = made.jobs
    assert (document.name, document.version, document.attributes) == ("a.txt", 1, {"year": 2021})
    assert (job.document_id, job.version, job.duplicate_of) == (document.id, 1, None)
    assert len(made.blobs()) == 1


def test_other_bytes_of_a_known_name_become_its_next_version() -> None:
    before = known()
    made = plan(file(content="two"), newest=before)
    [raised] = made.raised.values()
    assert not made.documents
    assert (raised.id, raised.version) == (before.document_id, 4)
    assert raised.attributes == {"year": 2020}
    assert made.jobs[0].version == 4


@pytest.mark.parametrize("state", ["succeeded", "succeeded_with_warnings", "queued", "embedding"])
def test_the_same_bytes_again_are_no_work(state: str) -> None:
    before = known(job_state=state)
    made = plan(file(), newest=before)
    [job] = made.jobs
    assert job.duplicate_of == before.job_id
    assert (job.document_id, job.version) == (before.document_id, 3)
    assert not made.blobs()
    assert not made.raised


@pytest.mark.parametrize(
    ("before", "form"),
    [
        ({"job_state": "failed"}, {}),
        ({"job_state": "cancelled"}, {}),
        ({}, {"options": ParseOptions(ocr=True)}),
        ({}, {"attributes": {"year": 2021}}),
        ({}, {"attributes": {}}),
    ],
    ids=["failed", "cancelled", "options", "attributes", "attributes removed"],
)
def test_the_same_bytes_are_work_where_the_result_would_differ(
    before: dict[str, Any], form: dict[str, Any]
) -> None:
    made = plan(file(), newest=known(**before), **form)
    assert made.jobs[0].duplicate_of is None
    assert made.jobs[0].version == 4


def test_attributes_that_are_there_already_are_no_work() -> None:
    made = plan(file(), newest=known(), attributes={"year": 2020})
    assert made.jobs[0].duplicate_of is not None


def test_skip_leaves_an_existing_name_alone() -> None:
    before = known(job_state="failed")
    made = plan(file(content="two"), newest=before, on_duplicate=OnDuplicate.SKIP)
    assert made.jobs[0].duplicate_of == before.job_id
    assert not made.raised
    assert plan(file(), on_duplicate=OnDuplicate.SKIP).documents


def test_new_always_makes_a_document() -> None:
    made = plan(file(), file(), newest=known(), on_duplicate=OnDuplicate.NEW)
    assert len(made.documents) == 2
    assert {document.version for document in made.documents.values()} == {1}


def test_two_files_of_one_name_in_a_request_are_two_versions() -> None:
    made = plan(file(content="one"), file(content="two"), file(content="two"))
    [document] = made.documents.values()
    assert document.version == 2
    assert [job.version for job in made.jobs] == [1, 2, 2]
    assert made.jobs[2].duplicate_of == made.jobs[1].id


def test_a_known_name_raised_twice_is_raised_once_by_two() -> None:
    made = plan(file(content="two"), file(content="three"), newest=known())
    [raised] = made.raised.values()
    assert raised.version == 5


def test_the_same_bytes_under_two_names_share_a_blob() -> None:
    made = plan(file("a"), file("b"))
    blob = new_id()
    rows = made.rows({b"one": blob})
    assert [version.blob_id for version in rows.versions] == [blob, blob]
    assert len(rows.documents) == 2


def test_a_refused_file_has_an_outcome_and_no_job() -> None:
    refused = RefusedFile("b", FileEmpty())
    made = plan(file("a"), refused, file("c"))
    assert [outcome.filename for outcome in made.outcomes] == ["a", "b", "c"]
    assert made.outcomes[1].refusal is refused
    assert len(made.jobs) == 2
    assert names_of([file("a"), refused]) == ["a"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["one", "two", "three"])), max_size=15
    ),
    st.sampled_from(OnDuplicate),
)
def test_every_file_has_one_outcome_and_every_version_one_job(
    files: list[tuple[str, str]], on_duplicate: OnDuplicate
) -> None:
    sent = [file(name, content) for name, content in files]
    made = plan(*sent, newest=known("a"), on_duplicate=on_duplicate)
    assert [outcome.filename for outcome in made.outcomes] == [name for name, _ in files]
    assert [outcome.job for outcome in made.outcomes] == made.jobs
    rows = made.rows({content.encode(): new_id() for _, content in files})
    work = [job for job in made.jobs if job.duplicate_of is None]
    assert [version.id for version in rows.versions] == [job.version_id for job in work]
    numbers: dict[UUID, list[int]] = {}
    for version in rows.versions:
        numbers.setdefault(version.document_id, []).append(version.number)
    for document_id, made_numbers in numbers.items():
        first = made_numbers[0]
        assert made_numbers == list(range(first, first + len(made_numbers)))
        newest = (made.documents | made.raised)[document_id]
        assert newest.version == made_numbers[-1]
    assert [job.id for job in made.jobs] == sorted(job.id for job in made.jobs)
