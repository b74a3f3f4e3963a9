"""What an evaluation comes to: a row for each way, with intervals; as a table's rows or as CSV."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from citewell.evaluation.bootstrap import Estimate, Numbers, differences, estimates
from citewell.evaluation.running import Measured


@dataclass(frozen=True, slots=True)
class WayReport:
    """What one way came to; `difference` is to the first way, None for that one itself.

    `degraded` counts searches by what they had to do without: such figures are not the system's.
    """

    name: str
    measures: Mapping[str, Estimate]
    difference: Mapping[str, Estimate] | None
    p50_ms: float
    p95_ms: float
    degraded: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """Every way side by side; `measured` of `questions` were asked."""

    set: str
    collection: str
    questions: int
    measured: int
    ways: Sequence[WayReport]

    @property
    def complete(self) -> bool:
        """Whether every question was asked."""
        return self.measured == self.questions


def way_reports(measured: Measured) -> list[WayReport]:
    """Return a row for each way; none where nothing was measured."""
    if not measured.outcomes:
        return []
    # Over the same questions and with the same draws for each way.
    values = {name: _values(measured, name) for name in _names(measured)}
    means = {name: estimates(one) for name, one in values.items()}
    apart = {name: differences(one) for name, one in values.items()}
    return [
        WayReport(
            name=way.name,
            measures={name: means[name][at] for name in values},
            difference={name: apart[name][at - 1] for name in values} if at else None,
            p50_ms=_milliseconds(measured, at, 50),
            p95_ms=_milliseconds(measured, at, 95),
            degraded=Counter(what for one in measured.outcomes for what in one[at].degraded),
        )
        for at, way in enumerate(measured.ways)
    ]


def as_csv(report: Report) -> str:
    """Return one line for each way and measure, and two for each way's latency."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["set", "collection", "questions", "way", "measure", "mean", "low", "high"]
    writer.writerow([*head, "difference", "difference_low", "difference_high"])
    about = [report.set, report.collection, report.measured]
    for way in report.ways:
        for name, one in way.measures.items():
            apart = _ends(way.difference[name]) if way.difference else ["", "", ""]
            writer.writerow([*about, way.name, name, *_ends(one), *apart])
        for name, spent in (("p50_ms", way.p50_ms), ("p95_ms", way.p95_ms)):
            writer.writerow([*about, way.name, name, f"{spent:.1f}", *[""] * 5])
    return out.getvalue()


def _ends(one: Estimate) -> list[str]:
    return [f"{value:.4f}" for value in (one.mean, one.low, one.high)]


def _names(measured: Measured) -> list[str]:
    """Return the names of all measures; those of pages only some questions have."""
    return list(dict.fromkeys(name for one in measured.outcomes for name in one[0].values))


def _values(measured: Measured, name: str) -> Numbers:
    asked = [one for one in measured.outcomes if name in one[0].values]
    return np.array([[way.values[name] for way in one] for one in asked]).T


def _milliseconds(measured: Measured, at: int, percentile: float) -> float:
    seconds = [one[at].seconds for one in measured.outcomes]
    return round(float(np.percentile(seconds, percentile)) * 1000, 1)
