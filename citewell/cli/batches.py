"""`citewell batches`: one upload at a glance, what failed in it and what to do."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, Progress, TextColumn

from citewell.cli.acting import tell_batch
from citewell.cli.connection import FOLLOWING, connect
from citewell.cli.failures import ExitCode, complain, told
from citewell.cli.options import AsJson, Cursor, Key, Limit, Ocr, Url
from citewell.cli.output import print_json, print_json_line, seconds, stderr, stdout, table
from citewell.cli.wording import counted, tell_page
from citewell.client import Batch, BatchEvent, Client, Job
from shared.models import JobState, ParseOptions, Problem

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="See, pause, retry, cancel whole uploads."
)

BatchId = Annotated[str, typer.Argument(help="Id of a batch.")]


@dataclass(frozen=True, slots=True)
class Failure:
    """The jobs of a batch that failed in one way; `next` is the command to try."""

    code: str
    jobs: int
    who: str
    hint: str
    next: str


@app.command("list")
@told
def list_batches(
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List batches, newest first, with their jobs counted."""
    with connect(url, key) as client:
        page = client.batches(cursor=cursor, limit=limit)
    headings = ["batch", "collection", "made", "ended", "failed", "left"]
    tell_page(page, headings, _row, as_json=as_json)


@app.command()
@told
def show(
    batch_id: BatchId,
    *,
    follow: Annotated[
        bool, typer.Option("--wait", "--follow", help="Return when every job has ended.")
    ] = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Count a batch's jobs, and say what failed and what to do about it.

    With --wait the exit code is 1 when a job failed.
    """
    with connect(url, key) as client:
        batch = client.batch(batch_id)
    with connect(url, key, FOLLOWING) as client:
        if follow:
            batch = _followed(client, batch)
        failed = batch.counts.get(JobState.FAILED, 0)
        jobs = client.all_jobs(state=JobState.FAILED, batch=batch_id) if failed else []
    failures = _by_code(batch, jobs)
    if as_json:
        print_json({"batch": batch, "failures": failures})
    else:
        _print(batch, failures)
    raise typer.Exit(ExitCode.SOMETHING_FAILED if follow and failed else ExitCode.DONE)


@app.command()
@told
def watch(batch_id: BatchId, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Tell each job of a batch as it ends, until all have; with --json every event, one a line.

    The exit code is 1 when a job failed.
    """
    ended: set[UUID] = set()
    failed = 0
    with (
        connect(url, key, FOLLOWING) as client,
        _interruptible(batch_id),
        closing(client.batch_events(batch_id)) as events,
    ):
        for event in events:
            _tell_event(event, ended, as_json=as_json)
            if event.batch is not None:
                failed = event.batch.counts.get(JobState.FAILED, 0)
    raise typer.Exit(ExitCode.SOMETHING_FAILED if failed else ExitCode.DONE)


@app.command()
@told
def retry(
    batch_id: BatchId,
    *,
    code: Annotated[str | None, typer.Option(help="Only jobs that failed with this.")] = None,
    ocr: Ocr = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Open every job of a batch again that failed or was cancelled.

    With --code, only those that failed so.
    """
    options = ParseOptions(ocr=True) if ocr else None
    with connect(url, key) as client:
        tell_batch(client.retry_batch(batch_id, code=code, options=options), as_json=as_json)


@app.command()
@told
def pause(batch_id: BatchId, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Begin no more work of a batch; what is under way ends."""
    with connect(url, key) as client:
        tell_batch(client.pause_batch(batch_id), as_json=as_json)


@app.command()
@told
def resume(batch_id: BatchId, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Let a paused batch go on."""
    with connect(url, key) as client:
        tell_batch(client.resume_batch(batch_id), as_json=as_json)


@app.command()
@told
def cancel(batch_id: BatchId, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Cancel every job of a batch that has not ended."""
    with connect(url, key) as client:
        tell_batch(client.cancel_batch(batch_id), as_json=as_json)


def _followed(client: Client, batch: Batch) -> Batch:
    """Show how far a batch is until it has ended."""
    with _interruptible(batch.id), _bar() as bar, closing(client.batch_events(batch.id)) as events:
        line = bar.add_task("", total=batch.total, completed=batch.done, left="-")
        for event in events:
            if event.batch is not None:
                batch = event.batch
                left = seconds(batch.eta_s)
                bar.update(line, total=batch.total, completed=batch.done, left=left)
    return batch


@contextmanager
def _interruptible(batch_id: object) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        again = f"citewell batches show {batch_id} --wait"
        complain("Stopped watching; the server goes on.", again)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _tell_event(event: BatchEvent, told: set[UUID], *, as_json: bool) -> None:
    if as_json:
        print_json_line(event)
        return
    job = event.job
    if job is not None and job.ended and job.id not in told:
        told.add(job.id)
        why = f": {job.problem.code}" if job.problem else ""
        stdout().print(f"{job.state}{why} {job.filename}", soft_wrap=True, markup=False)


def _bar() -> Progress:
    return Progress(
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} jobs"),
        TextColumn("{task.fields[left]} left"),
        console=stderr(),
    )


def _by_code(batch: Batch, jobs: Iterable[Job]) -> list[Failure]:
    grouped: dict[str, list[Problem]] = {}
    for job in jobs:
        if job.problem:
            grouped.setdefault(job.problem.code, []).append(job.problem)
    return [_failure(batch, problems) for _, problems in sorted(grouped.items())]


def _failure(batch: Batch, problems: Sequence[Problem]) -> Failure:
    first = problems[0]
    helps = first.retryable or first.who != "user"
    verb = "retry --failed" if helps else "jobs list"
    command = f"citewell {verb} --batch {batch.id} --code {first.code}"
    return Failure(first.code, len(problems), first.who, first.hint, command)


def _row(batch: Batch) -> tuple[object, ...]:
    made = f"{batch.created_at:%Y-%m-%d %H:%M}" if batch.created_at else ""
    failed = batch.counts.get(JobState.FAILED, 0)
    ended = f"{batch.done}/{batch.total}"
    return batch.id, batch.collection, made, ended, failed or "", _left(batch)


def _left(batch: Batch) -> str:
    if batch.ended:
        return ""
    return "paused" if batch.paused else seconds(batch.eta_s)


def _print(batch: Batch, failures: list[Failure]) -> None:
    stdout().print(counted(batch))
    if failures:
        rows = [(one.code, one.jobs, one.who, one.hint) for one in failures]
        stdout().print()
        stdout().print(table(["failed", "jobs", "who acts", "what to do"], rows))
    for one in failures:
        stderr().print(f"Next: {one.next}", soft_wrap=True)
    if not batch.ended:
        stderr().print(f"Next: citewell batches show {batch.id} --wait", soft_wrap=True)
