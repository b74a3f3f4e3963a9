"""Questions put to collections become rows: a hit's features, and whether it is relevant."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from judged import Asking, Kind
from numpy.typing import NDArray

from services.query_api.retrieval.fusion import fuse
from services.query_api.retrieval.hits import Mode
from services.query_api.retrieval.relevance.evidence import Evidence, Seen
from services.query_api.retrieval.relevance.fits import Feature

Numbers = NDArray[np.float64]

FIRST = 10
# Chunks that an answer rests on.
READ = 5
# What the kinds of questions count, whatever their number: of ten, seven have something to find.
COUNTS: Mapping[Kind, float] = {
    "own": 0.5,
    "lacking": 0.1,
    "foreign": 0.1,
    "small own": 0.2,
    "small others": 0.1,
}
FEATURES: Mapping[Mode, Sequence[Feature]] = {
    "hybrid": ("nearness", "rise", "coverage", "weight", "place", "few"),
    "dense": ("nearness", "rise", "coverage", "place", "few"),
    "sparse": ("coverage", "place", "few"),
}


@dataclass(frozen=True, slots=True)
class Samples:
    """The hits of one mode of search, a row each; `numbers` has a column for each feature."""

    sets: NDArray[np.str_]
    kinds: NDArray[np.str_]
    questions: NDArray[np.int64]
    ranks: NDArray[np.int64]
    happened: Numbers
    numbers: Mapping[Feature, Numbers]

    def columns(self, features: Sequence[Feature]) -> Numbers:
        """Return some features, of shape (rows, features)."""
        return np.column_stack([self.numbers[one] for one in features])

    def at(self, name: str, *kinds: str) -> NDArray[np.bool_]:
        """Return which rows are of a set, and of these kinds of questions."""
        of_kinds = np.isin(self.kinds, kinds) if kinds else np.ones(len(self.kinds), bool)
        found: NDArray[np.bool_] = (self.sets == name) & of_kinds
        return found

    def counts(self) -> Numbers:
        """Return what each row counts: sets all the same, kinds of questions as they should."""
        counts = np.zeros(len(self.sets))
        for name in np.unique(self.sets):
            for kind, share in COUNTS.items():
                rows = self.at(name, kind)
                counts[rows] = share / max(1, rows.sum())
        return counts

    def best(self, chance: Numbers, rows: NDArray[np.bool_]) -> dict[int, float]:
        """Return the greatest chance among the hits that each question's answer rests on."""
        best: dict[int, float] = {}
        read = rows & (self.ranks < READ)
        for question, one in zip(self.questions[read], chance[read], strict=True):
            best[int(question)] = max(best.get(int(question), 0.0), float(one))
        return best

    def answerable(self) -> set[int]:
        """Return the questions for which there is something among the hits that are read."""
        return set(self.questions[(self.happened > 0) & (self.ranks < READ)].tolist())


def sampled(asked: Iterable[Asking]) -> dict[Mode, Samples]:
    """Ask every question in every mode."""
    columns: dict[Mode, dict[str, list[float | str]]] = {
        mode: defaultdict(list) for mode in FEATURES
    }
    for number, asking in enumerate(asked):
        dense, sparse = asking.index.search(asking.question.text, asking.question.vector)
        _add(columns["hybrid"], "hybrid", number, asking, dense, sparse)
        _add(columns["dense"], "dense", number, asking, dense, {})
        _add(columns["sparse"], "sparse", number, asking, {}, sparse)
    return {mode: _samples(mode, found) for mode, found in columns.items()}


def _add(  # noqa: PLR0917 - a row is made of all of them
    columns: dict[str, list[float | str]],
    mode: Mode,
    number: int,
    asking: Asking,
    dense: Mapping[int, float],
    sparse: Mapping[int, float],
) -> None:
    evidence = Evidence(asking.question.text, dict(dense), dict(sparse), len(asking.texts))
    for rank, (at, fused) in enumerate(islice(fuse(dense, sparse).items(), FIRST)):
        hit = Seen(at, fused, asking.texts[at])
        columns["set"].append(asking.set)
        columns["kind"].append(asking.kind)
        columns["question"].append(number)
        columns["rank"].append(rank)
        columns["happened"].append(float(_is_relevant(asking, at)))
        for feature in FEATURES[mode]:
            columns[feature].append(evidence.of(feature, hit))


def _is_relevant(asking: Asking, at: int) -> bool:
    """Tell if a chunk is of a document judged relevant; what nobody judged is not."""
    return asking.kind in {"own", "small own"} and asking.owners[at] in asking.question.wanted


def _samples(mode: Mode, columns: Mapping[str, list[float | str]]) -> Samples:
    return Samples(
        np.array(columns["set"]),
        np.array(columns["kind"]),
        np.array(columns["question"], int),
        np.array(columns["rank"], int),
        np.array(columns["happened"], float),
        {feature: np.array(columns[feature], float) for feature in FEATURES[mode]},
    )
