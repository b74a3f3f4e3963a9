"""The counts of a load always add up, whatever the server tells."""

from uuid import uuid4

from citewell.client import Batch, Job, UploadedFile, UploadResult
from citewell.loading.tally import Tally
from shared.errors import FileCorrupt
from shared.models import JobState
from shared.problems import problem_of

CORRUPT = problem_of(FileCorrupt())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_file_is_counted_once() -> None:
    clock = Clock()
    tally = Tally(found=6, clock=clock)
    taken = UploadedFile(filename="a", state=JobState.QUEUED, job_id=uuid4())
    same = UploadedFile(
        filename="b", state=JobState.SUCCEEDED, job_id=uuid4(), duplicate_of=uuid4()
    )
    left = UploadedFile(filename="c", state=JobState.SUCCEEDED)
    refused = UploadedFile(filename="d", state=JobState.FAILED, problem=CORRUPT)
    batch_id = uuid4()
    tally.accepted(UploadResult(batch_id=batch_id, jobs=(taken, same, left, refused)))
    tally.refused("e", CORRUPT)
    tally.unreadable("f", "Permission denied")
    assert (tally.sent, tally.done, tally.total) == (6, 4, 6)
    assert tally.rate == 0
    assert tally.open_batches == [batch_id]
    clock.now = 2.0
    tally.batches[batch_id] = Batch(id=batch_id, total=2, counts={JobState.SUCCEEDED: 2})
    assert (tally.done, tally.total, tally.unchanged, tally.skipped) == (6, 6, 1, 1)
    assert tally.rate == 3.0
    assert tally.eta_s == 0
    assert tally.open_batches == []


def test_an_archive_that_holds_more_raises_the_total() -> None:
    tally = Tally(found=1)
    batch_id = uuid4()
    entry = UploadedFile(filename="a.zip", state=JobState.QUEUED, job_id=uuid4())
    tally.accepted(UploadResult(batch_id=batch_id, jobs=(entry,)))
    tally.batches[batch_id] = Batch(
        id=batch_id, total=4, sealed=False, counts={JobState.SUCCEEDED: 1, JobState.QUEUED: 3}
    )
    assert (tally.done, tally.total) == (1, 4)
    assert tally.open_batches == [batch_id]


def test_a_batch_is_open_until_it_is_sealed() -> None:
    assert not Batch(id=uuid4(), total=1, sealed=False, counts={JobState.SUCCEEDED: 1}).ended


def test_a_cancelled_job_without_a_problem_says_how_to_go_on() -> None:
    tally = Tally(found=1)
    assert tally.eta_s is None
    job = Job(id=uuid4(), filename="a", state=JobState.CANCELLED)
    tally.jobs[uuid4()] = [job]
    tally.tell_ends()
    assert tally.failures[0].code == "cancelled"
    assert tally.failures[0].hint == f"citewell jobs retry {job.id}"
