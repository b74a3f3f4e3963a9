"""What did not change is not paid for again."""

import time
from pathlib import Path

import pytest

from citewell.client import File
from tests.faults.kit import truth
from tests.faults.kit.corpus import long_pdf
from tests.faults.kit.ground import Ground
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.settings import DrillSettings
from tests.support.files import write_files

ENDS_WITHIN_S = 600.0
PAGES = 300
MOST_PAID = 0.05


def ingest(field: Ground, files: list[File]) -> tuple[float, int]:
    """Return the seconds until the last of the files has ended, and the inputs paid for."""
    before, began = field.provider.counts().inputs, time.monotonic()
    with client_of(field.stack) as client:
        upload(client, files, at_once=500)
    truth.wait_until_ended(field.stack, within_s=ENDS_WITHIN_S)
    return time.monotonic() - began, field.provider.counts().inputs - before


def ingest_twice(field: Ground, folder: Path, seed: int, count: int) -> float:
    """Ingest files, again, and under other names; return how much faster the second time was."""
    paths = sorted(write_files(folder, count, seed))
    names = [str(path.relative_to(folder)) for path in paths]
    first, paid = ingest(field, [File(f"kept/{n}", p) for n, p in zip(names, paths, strict=True)])
    assert paid >= count
    again, nothing = ingest(
        field, [File(f"kept/{n}", p) for n, p in zip(names, paths, strict=True)]
    )
    _, shared = ingest(field, [File(f"copy/{n}", p) for n, p in zip(names, paths, strict=True)])
    assert (nothing, shared) == (0, 0)
    print(f"{count} files: {first:.1f} s and {paid} inputs, then {again:.2f} s and none")
    return first / again


def test_files_sent_again_cost_nothing(field: Ground, seed: int, tmp_path: Path) -> None:
    assert ingest_twice(field, tmp_path, seed, 60) > 1


@pytest.mark.drill
def test_a_thousand_files_sent_again_cost_nothing_and_a_tenth_of_the_time(
    field: Ground, drill: DrillSettings, seed: int, tmp_path: Path
) -> None:
    # Other texts than those of the short test.
    assert ingest_twice(field, tmp_path, seed + 1, drill.count) >= 10


def test_one_page_edited_in_three_hundred_costs_a_few_chunks(field: Ground, tmp_path: Path) -> None:
    name = "three-hundred.pdf"
    _, paid = ingest(field, [File(name, long_pdf(tmp_path / "first.pdf", PAGES))])
    edited = long_pdf(tmp_path / "second.pdf", PAGES, edited=PAGES // 2)
    _, again = ingest(field, [File(name, edited)])
    chunks = len(truth.outcomes(field.stack)[name].chunks)
    print(f"{chunks} chunks: {paid} paid for, then {again}")
    assert chunks >= PAGES // 2
    assert 1 <= again <= MOST_PAID * chunks
