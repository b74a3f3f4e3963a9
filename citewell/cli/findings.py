"""What the doctor of a server found, as lines of a table: how a part is and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass

from citewell.cli.output import seconds
from citewell.client import Diagnosis
from citewell.client.models import Difference, Stuck, WaitingJob

# A server that has not swept for this long is not ready either.
_STALE_S = 60.0
_MEND = "citewell doctor --fix"
_LONGER = "citewell doctor --seconds 60"
# What each comparison is called here, and what to do when it found something.
_KINDS = {
    "points_missing": ("points missing in the vector store", _MEND),
    "points_orphaned": ("points that nothing knows", _MEND),
    # Until the deleted one is removed, the same bytes would be taken for stored.
    "bytes_missing": (
        "versions whose file is gone",
        "citewell documents delete DOCUMENT; when no clean-up is pending, citewell ingest FILE",
    ),
    "bytes_orphaned": ("files that nothing knows", f"{_MEND}; removed within an hour else"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is; `next` is what to do when that is not well."""

    part: str
    state: str
    detail: str = ""
    next: str = ""
    well: bool = True


def findings_of(diagnosis: Diagnosis) -> Iterator[Finding]:
    """Word a diagnosis, differences first, then what stands still, then who waits."""
    for difference in diagnosis.differences:
        yield _difference(difference)
    pending = diagnosis.pending
    yield Finding(
        "pending clean-up",
        str(pending.tombstones + pending.documents + pending.collections),
        f"{pending.tombstones} versions, {pending.documents} documents,"
        f" {pending.collections} collections; they go by themselves",
    )
    yield from _standing_still(diagnosis.stuck)
    for job in diagnosis.stuck.waiting:
        yield _waiting(job)
    more = diagnosis.stuck.waiting_for_operator - len(diagnosis.stuck.waiting)
    if more > 0:
        detail = f"{more} more jobs wait for an operator"
        yield Finding("jobs", "waiting", detail, "citewell jobs list", well=False)


def _difference(difference: Difference) -> Finding:
    part, advice = _KINDS.get(difference.kind, (difference.kind.replace("_", " "), _MEND))
    left = difference.count - difference.fixed
    state = f"{difference.count}" if difference.count else "none"
    if difference.fixed:
        state += f", {difference.fixed} mended"
    examples = "; ".join(f"{one.id}: {one.detail}" for one in difference.examples)
    if not difference.complete:
        detail = "; ".join(filter(None, (f"not all compared: {difference.reason}", examples)))
        return Finding(part, state, detail, advice if left else _LONGER, well=False)
    return Finding(part, state, examples, advice if left else "", well=not left)


def _standing_still(stuck: Stuck) -> Iterator[Finding]:
    age = stuck.sweep_age_s
    stale = age is None or age > _STALE_S
    restart = "restart the ingest service: nobody sweeps" if stale else "citewell jobs list"
    swept = "never" if age is None else f"{seconds(age)} ago"
    yield Finding("last sweep", swept, next=restart if stale else "", well=not stale)
    counts = {"expired leases": stuck.expired_leases, "jobs past deadline": stuck.past_deadline}
    for part, count in counts.items():
        yield Finding(part, str(count or "none"), next=restart if count else "", well=not count)


def _waiting(job: WaitingJob) -> Finding:
    reason = ": ".join(filter(None, (job.filename, job.code, job.detail)))
    advice = f"mend that: it goes on by itself; or citewell cancel {job.job_id}"
    return Finding(f"job {job.job_id}", "waits for an operator", reason, advice, well=False)
