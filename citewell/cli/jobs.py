"""`citewell jobs`: what became of the files that were loaded."""

from typing import Annotated

import typer

from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, Key, Url
from citewell.cli.output import print_json, seconds, stderr, stdout, table
from citewell.client import Batch, Job
from shared.models import JobState, ParseOptions

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="See, retry and cancel what was loaded."
)

JobIds = Annotated[list[str], typer.Argument(help="Ids of jobs.")]


@app.command("list")
@told
def list_jobs(
    *,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only jobs of this batch.")] = None,
    code: Annotated[str | None, typer.Option(help="Only jobs with this problem.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Most jobs.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list ended.")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List jobs; with --batch, count them first."""
    with connect(url, key) as client:
        counted = client.batch(batch) if batch else None
        page = client.jobs(state=state, batch=batch, code=code, cursor=cursor, limit=limit)
    if as_json:
        print_json({"batch": counted, **page.model_dump(mode="json")})
        return
    if counted:
        stdout().print(_counted(counted))
    rows = [(job.id, job.state, job.filename, _progress(job), _why(job)) for job in page.items]
    stdout().print(table(["job", "state", "file", "progress", "why"], rows))
    if page.next_cursor:
        stderr().print(f"More: add --cursor {page.next_cursor}")


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


@app.command()
@told
def retry(
    job_ids: JobIds,
    *,
    ocr: Annotated[bool, typer.Option("--ocr", help="Read pages that are pictures.")] = False,
    url: Url = "",
    key: Key = "",
) -> None:
    """Open failed or cancelled jobs again."""
    options = ParseOptions(ocr=True) if ocr else None
    with connect(url, key) as client:
        for job_id in job_ids:
            job = client.retry_job(job_id, options=options)
            stdout().print(f"{job.id} {job.state}")


@app.command()
@told
def cancel(job_ids: JobIds, *, url: Url = "", key: Key = "") -> None:
    """Cancel jobs that have not ended."""
    with connect(url, key) as client:
        for job_id in job_ids:
            job = client.cancel_job(job_id)
            stdout().print(f"{job.id} {job.state}")


def _counted(batch: Batch) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in batch.counts.items() if count)
    return f"Batch {batch.id}: {batch.done} of {batch.total} ended ({counts})\n"


def _progress(job: Job) -> str:
    if job.chunks.total:
        return f"{job.chunks.done}/{job.chunks.total} chunks"
    return f"{job.pages.done}/{job.pages.total} pages" if job.pages.total else ""


def _why(job: Job) -> str:
    if job.problem:
        return job.problem.code
    if job.waiting_for:
        return f"waits for {job.waiting_for.kind}"
    return ", ".join(sorted({warning.code for warning in job.warnings}))


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
        rows += [("waits for", _why(job)), ("left", seconds(job.eta_s))]
    for warning in job.warnings:
        page = f" (page {warning.page})" if warning.page else ""
        rows.append(("warning", f"{warning.code}{page}: {warning.detail}"))
    if job.problem:
        rows.append(("problem", f"{job.problem.code}: {job.problem.detail}"))
        rows.append(("next", job.problem.hint))
        if job.problem.retryable:
            rows.append(("", f"citewell jobs retry {job.id}"))
    return rows
