"""`citewell jobs`: what became of the files that were loaded."""

from typing import Annotated

import typer

from citewell.cli.acting import cancel, retry
from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import (
    AsJson,
    Cursor,
    Key,
    Limit,
    OfBatch,
    OfCollection,
    Retryable,
    Url,
)
from citewell.cli.output import print_json, seconds, stdout, table
from citewell.cli.wording import completeness, counted, progress, tell_page, warned, why
from citewell.client import Job
from shared.models import JobState

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="See, retry and cancel what was loaded."
)


@app.command("list")
@told
def list_jobs(
    *,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Short for --state failed.")] = False,
    batch: OfBatch = None,
    code: Annotated[str | None, typer.Option(help="Only jobs with this problem.")] = None,
    retryable: Retryable = False,
    collection: OfCollection = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List jobs; with --batch, count them first."""
    with connect(url, key) as client:
        of_batch = client.batch(batch) if batch else None
        page = client.jobs(
            state=JobState.FAILED if failed else state,
            batch=batch,
            code=code,
            retryable=retryable or None,
            collection=collection,
            cursor=cursor,
            limit=limit,
        )
    if as_json:
        print_json({"batch": of_batch, **page.model_dump(mode="json")})
        return
    if of_batch:
        stdout().print(f"{counted(of_batch)}\n")
    tell_page(page, ["job", "state", "file", "progress", "why"], _row)


@app.command()
@told
def show(
    job_id: Annotated[str, typer.Argument(help="Id of a job.")],
    *,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show one job in full."""
    with connect(url, key) as client:
        job = client.job(job_id)
    if as_json:
        print_json(job)
        return
    stdout().print(table(["", ""], _details(job)))


# The same verbs as `citewell retry` and `citewell cancel`, where they were first.
app.command("retry")(retry)
app.command("cancel")(cancel)


def _row(job: Job) -> tuple[object, ...]:
    return job.id, job.state, job.filename, progress(job), why(job)


def _details(job: Job) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("job", job.id),
        ("file", job.filename),
        ("state", job.state),
        ("stage", job.stage),
        ("document", job.document_id),
        ("batch", job.batch_id),
        ("pages", f"{job.pages.done} of {job.pages.total or '?'}"),
        ("chunks", f"{job.chunks.done} of {job.chunks.total or '?'}"),
        ("attempts", job.attempts),
    ]
    if not job.ended:
        rows += [("waits for", why(job)), ("left", seconds(job.eta_s))]
        if job.waiting_for and job.waiting_for.detail:
            rows.append(("because", job.waiting_for.detail))
    if job.completeness:
        rows.append(("read", completeness(job.completeness)))
    rows += [("warning", warned(warning)) for warning in job.warnings]
    if job.problem:
        rows.append(("problem", f"{job.problem.code}: {job.problem.detail}"))
        rows.append(("next", job.problem.hint))
        if job.problem.retryable:
            rows.append(("", f"citewell retry {job.id}"))
    return rows
