"""When a tick is worse than those before it."""

from services.query_api.quality.verdict import baseline, reasons
from shared.settings_quality import QualitySettings

SETTINGS = QualitySettings()
WELL = {
    "recall_hybrid": 1.0,
    "recall_dense": 0.9,
    "mrr_hybrid": 0.95,
    "cosine": 0.8,
    "relevance": 0.7,
    "abstained": 0.1,
}


def past(before: list[dict[str, float]] | None = None, **changed: float) -> list[str]:
    return reasons(WELL | changed, [WELL] * 3 if before is None else before, SETTINGS)


def test_what_is_as_it_was_is_well() -> None:
    assert past() == []


def test_each_measure_has_a_direction_in_which_it_is_worse() -> None:
    assert past(recall_dense=0.7) == ["recall_dense"]
    assert past(recall_dense=1.0) == []
    assert past(abstained=0.5) == ["abstained"]
    assert past(abstained=0.0) == []
    assert past(relevance=0.5) == ["relevance"]
    assert past(relevance=0.9) == []
    assert past(mrr_hybrid=0.6) == ["mrr_hybrid"]


def test_a_drift_is_a_change_already_and_needs_no_baseline() -> None:
    assert past([], drift=0.02) == past(drift=0.02) == ["drift"]
    assert past(drift=0.005) == []
    assert past(cosine=0.5) == []


def test_a_restless_measure_is_given_more_room() -> None:
    before = [WELL | {"relevance": value} for value in (0.60, 0.65, 0.70, 0.75, 0.80)]
    assert past(before, relevance=0.45) == []
    assert past(before, relevance=0.30) == ["relevance"]


def test_one_odd_tick_moves_no_baseline() -> None:
    before = [WELL, WELL, WELL | {"recall_dense": 0.1}]
    assert baseline(before)["recall_dense"] == 0.9
    assert past(before, recall_dense=0.7) == ["recall_dense"]


def test_without_a_baseline_the_least_recall_is_asked_for() -> None:
    assert past([]) == []
    assert past([], recall_hybrid=0.4) == ["least_recall"]


def test_a_measure_that_only_one_side_has_is_not_compared() -> None:
    before = [{"recall_hybrid": 1.0}]
    assert past(before) == []
    assert reasons({"recall_hybrid": 1.0}, [WELL], SETTINGS) == []
