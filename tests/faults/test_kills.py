"""Everything is killed while files come in, and it ends as if nothing had happened."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from citewell.client import File
from tests.faults.kit import truth
from tests.faults.kit.corpus import mixed_files
from tests.faults.kit.drill import Drilled, strike_while_loading
from tests.faults.kit.ground import (
    BATCH_INPUTS,
    MANY_PARTS,
    SHORT,
    SLOTS,
    Ground,
    check_gone,
    ground,
)
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.settings import DrillSettings

REFERENCE = "reference"
ENDS_WITHIN_S = 300.0
SHORT_COUNT = 96
# A call takes so long that a kill finds some under way.
PROVIDER_S = 0.2
DAY_S = "86400"


def run_without_faults(field: Ground, files: Sequence[File]) -> dict[str, str]:
    """Ingest the files as another tenant, whom no fault meets; return what the door refused."""
    with client_of(field.stack, field.stack.key_of(REFERENCE)) as client:
        uploaded = upload(client, files)
        truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S, tenant=REFERENCE)
        truth.check_doctor(client)
    return {one.filename: one.problem.code for one in uploaded if one.problem}


def kill_and_check(folder: Path, settings: dict[str, str], size: tuple[int, int, int]) -> None:
    """Run without faults, then with them, and compare everything that can be compared."""
    seed, count, rounds = size
    files = mixed_files(folder / "files", count, seed)
    with ground(folder / "stack", settings, delay_s=PROVIDER_S) as field:
        refused = run_without_faults(field, files)
        before = field.provider.counts().inputs
        drilled = strike_while_loading(field.stack, files, seed=seed, rounds=rounds)
        print(drilled.table())
        paid = field.provider.counts().inputs - before
        check_the_same(field, drilled, refused)
        check_cost(field, drilled, paid)
        print(f"points {truth.check_points(field.stack)}")
        assert field.scratch_files() == []
    check_gone(drilled.processes)
    drilled.check_times(median_s=15, worst_s=60)


def check_the_same(field: Ground, drilled: Drilled, refused: dict[str, str]) -> None:
    found, wanted = truth.outcomes(field.stack), truth.outcomes(field.stack, REFERENCE)
    assert found == wanted
    assert {one.filename: one.problem.code for one in drilled.uploaded if one.problem} == refused
    truth.check_rows(field.stack)
    print(f"members {truth.check_members(field.stack)}")
    with client_of(field.stack) as client:
        assert truth.check_batches(client) >= len(wanted)
        truth.check_doctor(client)


def check_cost(field: Ground, drilled: Drilled, paid: int) -> None:
    chunks = truth.live_texts(field.stack)
    most = chunks + BATCH_INPUTS * SLOTS * drilled.paid_again
    print(f"{paid} inputs paid for {chunks} chunks; at most {most} by {drilled.paid_again} kills")
    assert chunks <= paid <= most


def test_every_file_ends_as_without_faults_when_each_part_was_killed_once(
    seed: int, tmp_path: Path
) -> None:
    kill_and_check(tmp_path, SHORT | MANY_PARTS, (seed, SHORT_COUNT, 1))


@pytest.mark.drill
@pytest.mark.parametrize("redelivery", [{}, {"CITEWELL_REDIS_VISIBILITY_TIMEOUT_S": DAY_S}])
def test_a_thousand_files_end_as_without_faults(
    seed: int, drill: DrillSettings, tmp_path: Path, redelivery: dict[str, str]
) -> None:
    kill_and_check(tmp_path, redelivery | MANY_PARTS, (seed, drill.count, drill.rounds))
