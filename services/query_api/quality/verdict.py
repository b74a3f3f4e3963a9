"""Whether a tick is worse than those before it: each measure against its median and spread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from shared.settings_quality import QualitySettings

Measures = Mapping[str, float]

# Good ticks a baseline is made of.
BASELINE_TICKS = 20
# A normal distribution's standard deviation is 1.4826 median absolute deviations (Rousseeuw and
# Croux 1993); four of them are left to chance before a threshold is said to be passed.
_SPREADS = 4 * 1.4826
MODES = ("hybrid", "dense", "sparse")
TOO_FEW, DRIFT = "least_recall", "drift"


@dataclass(frozen=True, slots=True)
class _Rule:
    """How far a measure may be from its baseline; `worse` turns a change into a distance."""

    threshold: float
    worse: Callable[[float], float]


def baseline(ticks: Sequence[Measures]) -> dict[str, float]:
    """Return the median of each measure over some ticks."""
    return {name: median(values) for name, values in _columns(ticks).items()}


def reasons(measures: Measures, before: Sequence[Measures], settings: QualitySettings) -> list[str]:
    """Return the measures of a tick that are past their thresholds; none: it is as it was.

    A threshold gives way where a measure was always restless. Without ticks before it only the
    least recall is asked for. The drift is a change already, canary by canary.
    """
    rules, columns = _rules(settings), _columns(before)
    found = [
        name
        for name, values in columns.items()
        if name in rules and name in measures and _is_past(measures[name], values, rules[name])
    ]
    if measures["recall_hybrid"] < settings.least_recall:
        found.append(TOO_FEW)
    if measures.get(DRIFT, 0.0) > settings.cosine_drift:
        found.append(DRIFT)
    return sorted(found)


def _is_past(value: float, before: Sequence[float], rule: _Rule) -> bool:
    middle = median(before)
    spread = median(abs(one - middle) for one in before)
    return rule.worse(value - middle) > max(rule.threshold, _SPREADS * spread)


def _columns(ticks: Sequence[Measures]) -> dict[str, list[float]]:
    names = dict.fromkeys(name for tick in ticks for name in tick)
    return {name: [tick[name] for tick in ticks if name in tick] for name in names}


def _rules(settings: QualitySettings) -> dict[str, _Rule]:
    rules = {
        "relevance": _Rule(settings.relevance_drop, _fall),
        "abstained": _Rule(settings.abstain_rise, _rise),
    }
    for mode in MODES:
        rules[f"recall_{mode}"] = _Rule(settings.recall_drop, _fall)
        rules[f"mrr_{mode}"] = _Rule(settings.mrr_drop, _fall)
    return rules


def _fall(change: float) -> float:
    return -change


def _rise(change: float) -> float:
    return change
