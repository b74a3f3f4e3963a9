"""Fits relevance to judged sets, and says how far it may be trusted on a set it was not fitted to.

    python benchmarks/calibration.py FOLDER[:GRADE] … [--cache DIR] [--plots DIR] [--seed 1]

A FOLDER holds `corpus.jsonl`, `queries.jsonl`, `qrels.tsv` in BEIR's form, and `unanswerable.jsonl`
if there are questions that only look as if it had an answer; GRADE is the least that counts as
relevant, 1 if it is not given. At least two sets. Each is asked whole and in small parts, its own
questions and such as it has no answer to (judged.py). Prints the fits as
`services/query_api/retrieval/relevance/fits.py` has them, and for each set what those say of it
that were fitted to all others. `--cache` keeps vectors from run to run.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from calibration_plots import abstention_plot, reliability_plot
from judged import Kind, VectorCache, askings, read_judged
from logistic import Logistic, auc, brier, calibration_error, fitted, reliability, skill
from numpy.typing import NDArray
from samples import COUNTS, Samples, sampled

from services.query_api.retrieval.hits import Mode
from services.query_api.retrieval.relevance.fits import Feature, Way

Numbers = NDArray[np.float64]

# Of the questions that could be answered, at most so many may be refused, in the mean of all sets.
MOST_REFUSED = 0.03
FLOORS = tuple(round(0.01 * step, 2) for step in range(1, 51))
SHOWN_FLOORS = (0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.3, 0.5)
# A tenth with fewer of the hits is not drawn: chance moves it.
LEAST_SHARE = 0.005
KINDS: Mapping[Kind, str] = {
    "own": "a set's own questions, answer found",
    "lacking": "that only look like its own",
    "foreign": "another set's",
    "small own": "own questions of a small part, answer found",
    "small others": "others of a small part",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A fit to be made; without `measured` for any space, else for the one that was used."""

    way: Way
    mode: Mode
    features: Sequence[Feature]
    measured: bool = True

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return f"{self.way}, {'local' if self.measured else 'any space'}"


PLANS = (
    Plan("hybrid", "hybrid", ("nearness", "weight", "place", "few")),
    Plan("dense", "dense", ("nearness", "coverage", "place", "few")),
    Plan("meaning", "dense", ("nearness", "place", "few")),
    Plan("hybrid", "hybrid", ("rise", "coverage", "place", "few"), measured=False),
    Plan("dense", "dense", ("rise", "coverage", "place", "few"), measured=False),
    Plan("meaning", "dense", ("rise", "place", "few"), measured=False),
    Plan("sparse", "sparse", ("coverage", "place", "few"), measured=False),
)


def fit(plan: Plan, samples: Samples, without: str | None = None) -> Logistic:
    """Fit to all sets, or to all but one."""
    counts = samples.counts() * (samples.sets != without)
    rows = counts > 0
    return fitted(samples.columns(plan.features)[rows], samples.happened[rows], counts[rows])


def held_out(plan: Plan, samples: Samples) -> Numbers:
    """Return each hit's relevance by the fit that its set had no part in."""
    chance = np.zeros(len(samples.sets))
    for name in np.unique(samples.sets):
        rows = samples.at(name)
        chance[rows] = fit(plan, samples, without=name).of(samples.columns(plan.features)[rows])
    return chance


def floor_of(samples: Samples, chance: Numbers) -> float:
    """Return the highest floor that refuses few of the questions whose answer was found."""
    answerable = samples.answerable()
    found: list[Numbers] = []
    for name in np.unique(samples.sets):
        for kind in ("own", "small own"):
            best = samples.best(chance, samples.at(name, kind))
            if asked := [one for key, one in best.items() if key in answerable]:
                found.append(np.array(asked))
    return max(
        (floor for floor in FLOORS if fmean((of < floor).mean() for of in found) <= MOST_REFUSED),
        default=FLOORS[0],
    )


def code(plan: Plan, samples: Samples) -> str:
    """Return the fit to all sets as code."""
    made = fit(plan, samples)
    floor = floor_of(samples, made.of(samples.columns(plan.features)))
    weights = ", ".join(
        f'"{name}": {weight:.2f}' for name, weight in zip(plan.features, made.weights, strict=True)
    )
    return f"{plan.name}: Fit({made.constant:.2f}, {{{weights}}}, floor={floor:.2f})"


def print_held_out(samples: Samples, chance: Numbers) -> None:
    """Print what fits to all other sets say of each."""
    print("| set | hits | relevant | Brier | skill | ECE | skill, all kinds | ECE, all kinds |")
    print("|---|---|---|---|---|---|---|---|")
    even = np.ones(len(samples.sets))
    for name in np.unique(samples.sets):
        own, rows = samples.at(name, "own"), samples.at(name)
        of_own = (chance[own], samples.happened[own], even[own])
        of_all = (chance[rows], samples.happened[rows], samples.counts()[rows])
        print(
            f"| {name} | {own.sum()} | {samples.happened[own].mean():.3f} | {brier(*of_own):.3f}"
            f" | {skill(*of_own):.3f} | {calibration_error(*of_own):.3f}"
            f" | {skill(*of_all):.3f} | {calibration_error(*of_all):.3f} |"
        )
    own = samples.kinds == "own"
    for title, rows in (("own questions", own), ("all kinds", own | ~own)):
        pooled = (chance[rows], samples.happened[rows], samples.counts()[rows])
        print(f"all, {title}: skill {skill(*pooled):.3f}, ECE {calibration_error(*pooled):.3f}")
    print(
        "relevance -> relevant (share of hits):",
        *(
            f"{mean:.2f}->{often:.2f} ({share:.3f})"
            for share, mean, often in reliability(chance, samples.happened, samples.counts())
        ),
    )


def print_abstention(samples: Samples, chance: Numbers) -> None:
    """Print how well the best hit's relevance tells questions with an answer from others."""
    print("| set | AUC: that look alike | another set's | small parts |")
    print("|---|---|---|---|")
    for name in np.unique(samples.sets):
        best = {kind: [*samples.best(chance, samples.at(name, kind)).values()] for kind in COUNTS}
        alike = f"{auc(best['own'], best['lacking']):.3f}" if best["lacking"] else ""
        print(
            f"| {name} | {alike} | {auc(best['own'], best['foreign']):.3f}"
            f" | {auc(best['small own'], best['small others']):.3f} |"
        )
    print(
        "\nRefused at a floor, in the mean of the sets; of own questions those with an answer found"
    )
    print("| floor |", " | ".join(COUNTS), "|")
    print("|---" * (1 + len(COUNTS)), "|", sep="")
    for floor in SHOWN_FLOORS:
        shares = (f"{refused(samples, chance, kind, floor):.3f}" for kind in COUNTS)
        print(f"| {floor} |", " | ".join(shares), "|")


def refused(samples: Samples, chance: Numbers, kind: Kind, floor: float) -> float:
    """Return the share of a kind's questions whose best hit is below a floor, sets alike."""
    found = samples.answerable()
    shares = []
    for name in np.unique(samples.sets):
        best = samples.best(chance, samples.at(name, kind))
        asked = [one for key, one in best.items() if "own" not in kind or key in found]
        if asked:
            shares.append(fmean(one < floor for one in asked))
    return fmean(shares) if shares else 0.0


def plotted(samples: Samples, chance: Numbers, folder: Path) -> None:
    """Draw how often hits are relevant, by set and in all, and what each floor refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"all sets, alike": _line(samples, chance, np.ones(len(chance), bool))}
    lines |= {name: _line(samples, chance, samples.at(name)) for name in np.unique(samples.sets)}
    title = "Hybrid search; each set by the fit to the others"
    (folder / "reliability.svg").write_text(reliability_plot(title, lines), "utf-8")
    refusals = {
        name: [(floor, refused(samples, chance, kind, floor)) for floor in FLOORS]
        for kind, name in KINDS.items()
    }
    (folder / "abstention.svg").write_text(abstention_plot(title, refusals), "utf-8")


def _line(samples: Samples, chance: Numbers, rows: NDArray[np.bool_]) -> list[tuple[float, float]]:
    found = reliability(chance[rows], samples.happened[rows], samples.counts()[rows])
    return [(mean, often) for share, mean, often in found if share >= LEAST_SHARE]


async def main() -> None:
    """Fit, judge and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folders", nargs="+", metavar="FOLDER[:GRADE]")
    ask.add_argument("--cache", type=Path)
    ask.add_argument("--plots", type=Path)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--size", type=int, default=510)
    ask.add_argument("--questions", type=int, default=4000, help="most of a set that are asked")
    given = ask.parse_args()
    cache = VectorCache(given.cache)
    sets = [await read_judged(*_folder(one), given.size, cache) for one in given.folders]
    samples = sampled(askings(sets, given.questions, given.seed))
    print("\n".join(code(plan, samples[plan.mode]) for plan in PLANS))
    chances = {plan.name: held_out(plan, samples[plan.mode]) for plan in PLANS}
    for plan in PLANS:
        print(f"\n## {plan.name}: each set by the fit to the others\n")
        print_held_out(samples[plan.mode], chances[plan.name])
        print_abstention(samples[plan.mode], chances[plan.name])
    if given.plots:
        plotted(samples[PLANS[0].mode], chances[PLANS[0].name], given.plots)


def _folder(given: str) -> tuple[Path, int]:
    path, _, grade = given.rpartition(":")
    return (Path(path), int(grade)) if path and grade.isdecimal() else (Path(given), 1)


if __name__ == "__main__":
    asyncio.run(main())
