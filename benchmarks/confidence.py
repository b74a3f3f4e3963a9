"""Fits confidence to answers that squad_answers.py kept, and says how far it may be trusted.

    python benchmarks/confidence.py FOLDER ROWS [--plots DIR]

FOLDER is SQuAD as squad.py reads it, ROWS what `squad_answers.py --rows` wrote. An answer is right
if an accepted one stands in a quote; of a question that has none, none is. Articles are parted
into six; each part is judged by the fit to the five others.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from calibration_plots import Line, confidence_plot, risk_plot
from logistic import Numbers, auc, brier, calibration_error, fitted, reliability, skill
from squad import Shelf, read_squad
from squad_answers import Row, risk

from services.query_api.generation.confidence import Features, features_of, log_odds
from services.query_api.generation.passages import Claim

PARTS = 6
# Of ten questions so many have an answer, as where relevance was fitted (decision 0175).
ANSWERABLE = 0.7
COLUMNS = ("relevance", "spoken", "missing")
LEAST_SHARE = 0.005


def features(row: Row, shelf: Shelf) -> Features:
    """Return an answer's features, as the service makes them."""
    scores = dict(zip(row.files, row.scores, strict=True))
    passages = shelf.passages(list(scores), list(scores.values()))
    of_file = dict(zip(scores, passages, strict=True))
    claims = [
        Claim(of_file[file], of_file[file].chunks[0], quote, quote, 0)
        for file, quote in zip(row.files, row.quotes, strict=True)
    ]
    return features_of(row.question, claims)


def columns(found: Sequence[Features]) -> Numbers:
    """Return what is fitted to, of shape (answers, columns)."""
    return np.array([[log_odds(one.relevance), one.spoken, float(one.missing)] for one in found])


def part_of(article: str) -> int:
    """Return in which part an article is."""
    return hashlib.sha256(article.encode()).digest()[1] % PARTS


def held_out(rows: Numbers, right: Numbers, counts: Numbers, parts: Numbers) -> Numbers:
    """Return each answer's confidence by the fit that its article had no part in."""
    chance = np.zeros(len(rows))
    for part in range(PARTS):
        others = parts != part
        fit = fitted(rows[others], right[others], counts[others])
        chance[~others] = fit.of(rows[~others])
    return chance


def show(name: str, chance: Numbers, right: Numbers, counts: Numbers) -> None:
    """Print how far confidence may be trusted."""
    judged = (chance, right, counts)
    print(
        f"{name}: {len(chance)} answers, {np.average(right, weights=counts):.3f} right,"
        f" Brier {brier(*judged):.3f}, skill {skill(*judged):.3f},"
        f" ECE {calibration_error(*judged):.3f},"
        f" AUC {auc(list(chance[right == 1]), list(chance[right == 0])):.3f}"
    )


def line(chance: Numbers, right: Numbers, counts: Numbers) -> list[tuple[float, float]]:
    """Return the points of a reliability plot."""
    found = reliability(chance, right, counts)
    return [(mean, often) for share, mean, often in found if share >= LEAST_SHARE]


def main() -> None:
    """Read, fit and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("rows", type=Path)
    ask.add_argument("--plots", type=Path)
    given = ask.parse_args()
    shelf = Shelf(read_squad(given.folder))
    read = [Row(**json.loads(one)) for one in given.rows.read_text("utf-8").splitlines()]
    told = [row for row in read if not row.abstained]
    rows = columns([features(row, shelf) for row in told])
    right = np.array([float(bool(row.answers) and row.has_gold) for row in told])
    able = np.array([bool(row.answers) for row in told])
    asked = sum(bool(row.answers) for row in read)
    counts = np.where(able, ANSWERABLE / asked, (1 - ANSWERABLE) / (len(read) - asked)) * len(read)
    chance = held_out(rows, right, counts, np.array([part_of(row.article) for row in told]))
    fit = fitted(rows, right, counts)
    print("fit:", round(fit.constant, 2), COLUMNS, np.round(fit.weights, 2))
    show("all", chance, right, counts)
    show("of questions with an answer", chance[able], right[able], counts[able])
    before = np.array([row.confidence for row in told])
    show("as the service said it", before, right, counts)
    for mean, often in line(chance, right, counts):
        print(f"  said {mean:.2f}, right {often:.2f}")
    if given.plots:
        said = {"by the fit to others": chance, "as the service said it": before}
        lines = {name: line(one, right, counts) for name, one in said.items()}
        risks = {name: risk(_said(read, told, one)) for name, one in said.items()}
        plotted(lines, risks, given.plots)


def plotted(lines: Mapping[str, Line], risks: Mapping[str, Line], folder: Path) -> None:
    """Draw how often answers of a confidence are right, and what is wrong if few are given."""
    title = "Extracts of SQuAD; each article by the fit to others"
    (folder / "confidence.svg").write_text(confidence_plot(title, lines), "utf-8")
    drawn = risk_plot(f"{title}; half of the questions have none", risks)
    (folder / "risk.svg").write_text(drawn, "utf-8")


def _said(read: Sequence[Row], told: Sequence[Row], chance: Numbers) -> list[Row]:
    """Return all rows, those that are told with another confidence."""
    refused = [row for row in read if row.abstained]
    pairs = zip(told, chance, strict=True)
    return [*refused, *(replace(row, confidence=float(one)) for row, one in pairs)]


if __name__ == "__main__":
    main()
