"""Decides what becomes of each file of an upload: a document, a version, or no work at all.

Pure: ids and the present state in, rows and outcomes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.ingest_worker.uploads.form import OnDuplicate, UploadForm
from services.ingest_worker.uploads.receiving import ReceivedFile, RefusedFile
from shared.database.blobs import NewBlob
from shared.database.uploads import NewDocument, Newest, NewJob, NewVersion, UploadRows
from shared.identity import new_id
from shared.models import JobState

# Of a version whose ingestion ended like this nothing can be found: the same bytes are tried anew.
FRUITLESS = frozenset({JobState.FAILED.value, JobState.CANCELLED.value})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: a job, or a refusal."""

    filename: str
    job: NewJob | None
    refusal: RefusedFile | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A committed upload: its batch, and an outcome for each file in the order they came."""

    batch_id: UUID
    outcomes: Sequence[Outcome]


@dataclass(slots=True)
class Plan:
    """The rows an upload adds, and an outcome for each file in the order they came."""

    batch_id: UUID
    files: dict[UUID, ReceivedFile] = field(default_factory=dict)
    documents: dict[UUID, NewDocument] = field(default_factory=dict)
    raised: dict[UUID, NewDocument] = field(default_factory=dict)
    jobs: list[NewJob] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def blobs(self) -> list[NewBlob]:
        """Return the bytes that new versions need, once each."""
        return [NewBlob(file.blob_id, file.sha256, file.size) for file in self.files.values()]

    def rows(self, blob_ids: Mapping[bytes, UUID]) -> UploadRows:
        """Return the rows, given the blob row of each hash."""
        versions = [
            NewVersion(
                job.version_id, job.document_id, job.version, blob_ids[self.files[job.id].sha256]
            )
            for job in self.jobs
            if job.duplicate_of is None
        ]
        return UploadRows(
            self.batch_id,
            list(self.documents.values()),
            list(self.raised.values()),
            versions,
            self.jobs,
        )


def plan_upload(
    files: Sequence[ReceivedFile | RefusedFile],
    *,
    form: UploadForm,
    newest: Mapping[str, Newest],
) -> Plan:
    """Decide for each file in turn; a later file sees what an earlier one of its key made."""
    planner = _Planner(form, newest, most=len(files))
    for file in files:
        planner.take(file)
    return planner.plan


def names_of(files: Sequence[ReceivedFile | RefusedFile]) -> list[str]:
    """Return the names of the files that are taken, once each."""
    return sorted({file.name for file in files if isinstance(file, ReceivedFile)})


class _Planner:
    """Keeps the newest version of each key while files are taken one by one."""

    def __init__(self, form: UploadForm, newest: Mapping[str, Newest], *, most: int) -> None:
        self.plan = Plan(new_id())
        # Ids made in one millisecond are in no order; sorted, lists show files as they came.
        self._ids = iter(sorted(new_id() for _ in range(2 * most)))
        self._form = form
        self._newest = dict(newest)
        self._options = form.options.model_dump()

    def take(self, file: ReceivedFile | RefusedFile) -> None:
        if isinstance(file, RefusedFile):
            self.plan.outcomes.append(Outcome(file.name, None, file))
            return
        known = self._newest.get(file.key)
        if known is None or self._form.on_duplicate is OnDuplicate.NEW:
            job = self._add_document(file)
        elif self._form.on_duplicate is OnDuplicate.SKIP or self._unchanged(known, file):
            job = self._duplicate(known)
        else:
            job = self._raise_document(known, file)
        self.plan.jobs.append(job)
        self.plan.outcomes.append(Outcome(file.name, job))

    def _duplicate(self, known: Newest) -> NewJob:
        return NewJob(
            id=next(self._ids),
            document_id=known.document_id,
            version_id=known.version_id,
            version=known.version,
            filename=known.name,
            duplicate_of=known.job_id,
        )

    def _unchanged(self, known: Newest, file: ReceivedFile) -> bool:
        attributes = self._given(file)
        return (
            known.sha256 == file.sha256
            and known.job_state not in FRUITLESS
            and dict(known.options) == self._options
            and (attributes is None or dict(known.attributes) == dict(attributes))
        )

    def _add_document(self, file: ReceivedFile) -> NewJob:
        attributes = dict(self._given(file) or {})
        document = NewDocument(next(self._ids), file.name, attributes, 1, file.size, file.file_id)
        self.plan.documents[document.id] = document
        return self._add_version(document, file)

    def _raise_document(self, known: Newest, file: ReceivedFile) -> NewJob:
        given = self._given(file)
        attributes = known.attributes if given is None else given
        document = NewDocument(
            known.document_id, file.name, attributes, known.version + 1, file.size, file.file_id
        )
        fresh = document.id in self.plan.documents
        (self.plan.documents if fresh else self.plan.raised)[document.id] = document
        return self._add_version(document, file)

    def _given(self, file: ReceivedFile) -> Mapping[str, Any] | None:
        return self._form.attributes if file.attributes is None else file.attributes

    def _add_version(self, document: NewDocument, file: ReceivedFile) -> NewJob:
        job = NewJob(
            id=next(self._ids),
            document_id=document.id,
            version_id=new_id(),
            version=document.version,
            filename=file.name,
            duplicate_of=None,
        )
        self.plan.files[job.id] = file
        self._newest[file.key] = Newest(
            document_id=document.id,
            name=file.name,
            attributes=document.attributes,
            version=document.version,
            sha256=file.sha256,
            options=self._options,
            version_id=job.version_id,
            job_id=job.id,
            job_state=JobState.QUEUED.value,
        )
        return job
