"""What is deleted, replaced or half-written is never found, and nothing is missing between."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.kit import truth
from tests.faults.kit.churn import NEW, OLD, Churn, search_and_judge
from tests.faults.kit.ground import Ground
from tests.faults.kit.load import client_of
from tests.faults.kit.settings import DrillSettings

SEARCHERS = 4


def churn_and_search(
    field: Ground, folder: Path, seed: int, size: tuple[int, int, int]
) -> Counter[str]:
    """Change and delete so many documents during so many queries."""
    changed, deleted, queries = size
    churn = Churn(field.stack, folder, changed, deleted)
    churn.first_versions()
    seen: Counter[str] = Counter()
    with churn.going_on(random.Random(seed)), ThreadPoolExecutor(SEARCHERS) as searchers:
        share = queries // SEARCHERS
        for one in [
            searchers.submit(search_and_judge, field.stack, churn.documents, seed + number, share)
            for number in range(SEARCHERS)
        ]:
            seen += one.result()
    # Afterwards every one is as it was left.
    after = search_and_judge(field.stack, churn.documents, seed, len(churn.documents))
    assert OLD not in after
    with client_of(field.stack) as client:
        truth.check_doctor(client)
    truth.check_rows(field.stack)
    return seen


def check(field: Ground, folder: Path, seed: int, size: tuple[int, int, int]) -> None:
    seen = churn_and_search(field, folder, seed, size)
    print(f"queries that saw: {dict(seen)}")
    assert {OLD, NEW, "deleted"} <= seen.keys()
    truth.check_points(field.stack)


def test_queries_during_changes_and_deletions_see_whole_live_versions_only(
    field: Ground, seed: int, tmp_path: Path
) -> None:
    check(field, tmp_path, seed, (20, 10, 600))


@pytest.mark.drill
def test_ten_thousand_queries_see_whole_live_versions_only(
    field: Ground, drill: DrillSettings, seed: int, tmp_path: Path
) -> None:
    check(field, tmp_path, seed, (200, 100, drill.queries))
