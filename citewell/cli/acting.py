"""Retrying and cancelling, whichever verb it was asked by: one refusal does not stop the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated

import typer

from citewell.cli.connection import connect
from citewell.cli.failures import ExitCode, complain, next_step, told
from citewell.cli.options import (
    AsJson,
    JobIds,
    Key,
    Ocr,
    OfBatch,
    OfCollection,
    Retryable,
    Url,
)
from citewell.cli.output import print_json, stderr, stdout
from citewell.cli.wording import counted
from citewell.client import Batch, Job, ProblemError, RetriedJobs
from shared.models import ParseOptions, Problem

# Each further job would be refused for the same reason.
_HOLDS_FOR_ALL = frozenset({"unauthenticated", "forbidden"})
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """A job that the server would not change, and why."""

    job_id: str
    problem: Problem


@dataclass(slots=True)
class Acted:
    """What became of each job that was asked for."""

    jobs: list[Job] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def code(self) -> ExitCode:
        """What the shell is told: refused when none was changed, failed when some were not."""
        if not self.refused:
            return ExitCode.DONE
        return ExitCode.SOMETHING_FAILED if self.jobs else ExitCode.REFUSED


def act_on_jobs(job_ids: Iterable[str], act: Callable[[str], Job]) -> Acted:
    """Change one job after another.

    Raises:
        ProblemError: the credential is refused or the server cannot work; the rest is left.
    """
    acted = Acted()
    for job_id in job_ids:
        try:
            acted.jobs.append(act(job_id))
        except ProblemError as error:
            if error.problem.code in _HOLDS_FOR_ALL or error.problem.status >= _SERVER_ERROR:
                raise
            acted.refused.append(Refused(job_id, error.problem))
    return acted


def tell_jobs(acted: Acted, *, as_json: bool) -> None:
    """Print what became of each job and end with the exit code that says so."""
    if as_json:
        print_json({"batch": None, "jobs": acted.jobs, "refused": acted.refused})
    for job in () if as_json else acted.jobs:
        stdout().print(f"{job.id} {job.state}")
    for one in acted.refused:
        complain(f"{one.job_id}: {one.problem.title}: {one.problem.detail}", next_step(one.problem))
    if not acted.jobs and not acted.refused:
        stderr().print("There was nothing to do.")
    raise typer.Exit(acted.code)


def tell_batch(batch: Batch, *, as_json: bool) -> None:
    """Print a batch that was changed as a whole."""
    if as_json:
        print_json({"batch": batch, "jobs": [], "refused": []})
        return
    stdout().print(counted(batch))
    stderr().print(f"Next: citewell batches show {batch.id} --wait", soft_wrap=True)


def tell_retried(retried: RetriedJobs, *, as_json: bool) -> None:
    """Print how many failed jobs are open again."""
    if as_json:
        told = retried.model_dump(mode="json", exclude={"next_cursor"})
        print_json({"batch": None, "jobs": [], "refused": [], **told})
        return
    if not retried.retried:
        stderr().print("There was nothing to do.")
    else:
        stdout().print(f"{retried.retried} jobs are open again.")
    if retried.passed_over:
        stderr().print(f"{retried.passed_over} passed over: gone, or of an older version.")


@told
def retry(
    job_ids: JobIds = None,
    *,
    batch: OfBatch = None,
    failed: Annotated[
        bool, typer.Option("--failed", "--all", help="Every failed job, of --batch if given.")
    ] = False,
    code: Annotated[str | None, typer.Option(help="Every job that failed with this.")] = None,
    retryable: Retryable = False,
    collection: OfCollection = None,
    ocr: Ocr = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Open jobs again: JOB_IDS, all of --batch, or those that failed (--failed, --code, …).

    A failed job goes on from its last good step. --batch alone opens cancelled jobs too.
    """
    chosen = failed or bool(code or retryable or collection)
    _check(job_ids, batch, chosen=chosen)
    options = ParseOptions(ocr=True) if ocr else None
    with connect(url, key) as client:
        if chosen:
            retried = client.retry_jobs(
                batch=batch,
                code=code,
                retryable=retryable or None,
                collection=collection,
                options=options,
            )
            tell_retried(retried, as_json=as_json)
            return
        if batch:
            tell_batch(client.retry_batch(batch, options=options), as_json=as_json)
            return
        acted = act_on_jobs(job_ids or (), lambda one: client.retry_job(one, options=options))
    tell_jobs(acted, as_json=as_json)


@told
def cancel(
    job_ids: JobIds = None,
    *,
    batch: OfBatch = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Cancel jobs that have not ended: JOB_IDS, or all of --batch."""
    if bool(job_ids) == bool(batch):
        message = "Name jobs by their ids, or give --batch: one of these."
        raise typer.BadParameter(message)
    with connect(url, key) as client:
        if batch:
            tell_batch(client.cancel_batch(batch), as_json=as_json)
            return
        acted = act_on_jobs(job_ids or (), client.cancel_job)
    tell_jobs(acted, as_json=as_json)


def _check(job_ids: list[str] | None, batch: str | None, *, chosen: bool) -> None:
    if bool(job_ids) == bool(batch or chosen):
        message = "Name jobs by their ids, or give --batch, --failed or --code: one of these."
        raise typer.BadParameter(message)
