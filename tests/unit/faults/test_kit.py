"""The drills' own judges: they must fail on what they are there to find."""

from uuid import uuid4

import pytest

from citewell.client import Hit
from tests.faults.kit.churn import CHUNKS, NEW, OLD, Watched, judge
from tests.faults.kit.drill import Drilled, Recovery
from tests.faults.kit.faults import FAULTS, schedule

SENT, LIVE = 10.0, 20.0
CHANGED = Watched("a.md", "word", goes=False, asked=SENT, told=LIVE)
DELETED = Watched("b.md", "word", goes=True, asked=SENT, told=LIVE)


def hits(*markers: str, word: str = "word") -> list[Hit]:
    return [
        Hit(
            chunk_id=uuid4(),
            document_id=uuid4(),
            version=1,
            ordinal=ordinal,
            filename="a.md",
            page_start=1,
            page_end=1,
            text=f"{word} {marker}",
            score=1,
        )
        for ordinal, marker in enumerate(markers)
    ]


def test_what_may_be_seen_is_told() -> None:
    assert judge(CHANGED, hits(*[OLD] * CHUNKS), LIVE - 1, LIVE + 1) == OLD
    assert judge(CHANGED, hits(*[NEW] * CHUNKS), SENT - 1, SENT + 1) == NEW
    assert judge(DELETED, hits(*[OLD] * CHUNKS), LIVE - 1, LIVE + 1) == OLD
    assert judge(DELETED, [], SENT - 1, SENT + 1) == "deleted"


@pytest.mark.parametrize(
    ("document", "found", "began", "ended"),
    [
        pytest.param(CHANGED, hits(*[OLD] * CHUNKS), LIVE, LIVE + 1, id="superseded"),
        pytest.param(DELETED, hits(*[OLD] * CHUNKS), LIVE, LIVE + 1, id="deleted"),
        pytest.param(CHANGED, [], SENT, LIVE, id="missing between versions"),
        pytest.param(DELETED, [], SENT - 2, SENT - 1, id="missing before it was deleted"),
        pytest.param(CHANGED, hits(NEW, NEW), LIVE, LIVE + 1, id="half of a version"),
        pytest.param(CHANGED, hits(OLD, NEW, NEW), SENT, LIVE, id="two versions"),
        pytest.param(CHANGED, hits(*[NEW] * CHUNKS), SENT - 2, SENT - 1, id="too early"),
        pytest.param(CHANGED, hits(*[NEW] * CHUNKS, word="x"), LIVE, LIVE + 1, id="another's"),
    ],
)
def test_what_must_not_be_seen_fails(
    document: Watched, found: list[Hit], began: float, ended: float
) -> None:
    with pytest.raises(AssertionError):
        judge(document, found, began, ended)


def test_a_schedule_has_every_fault_and_is_the_seeds() -> None:
    assert schedule(1, 3) == schedule(1, 3) != schedule(2, 3)
    assert sorted(fault.name for fault in schedule(1, 3)) == sorted(f.name for f in FAULTS * 3)


def drilled(*seconds: float) -> Drilled:
    return Drilled([Recovery(FAULTS[0], 1.0, one, one) for one in seconds], [], frozenset())


def test_recoveries_are_held_against_median_and_worst() -> None:
    drilled(1, 15, 60).check_times(median_s=15, worst_s=60)
    for slow in (drilled(1, 16, 17), drilled(1, 1, 61), drilled()):
        with pytest.raises(AssertionError):
            slow.check_times(median_s=15, worst_s=60)
