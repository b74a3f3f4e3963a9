"""Fits confidence to answers that squad_answers.py kept, and says how far it may be trusted.

    python benchmarks/confidence.py FOLDER ROWS [--plots DIR]

FOLDER is SQuAD as squad.py reads it, ROWS what `squad_answers.py --rows` wrote. An answer is right
if an accepted one stands in a quote; of a question that has none, none is. Articles are parted
into six; each part is judged by the fit to the five others.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from calibration_plots import confidence_plot
from logistic import Numbers, auc, brier, calibration_error, fitted, reliability, skill
from squad import Shelf, read_squad
from squad_answers import Row

from services.query_api.generation.confidence import Features, features_of, log_odds
from services.query_api.generation.passages import Claim

PARTS = 6
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


def held_out(rows: Numbers, right: Numbers, parts: Numbers) -> Numbers:
    """Return each answer's confidence by the fit that its article had no part in."""
    chance = np.zeros(len(rows))
    for part in range(PARTS):
        others = parts != part
        fit = fitted(rows[others], right[others], np.ones(others.sum()))
        chance[~others] = fit.of(rows[~others])
    return chance


def show(name: str, chance: Numbers, right: Numbers) -> None:
    """Print how far confidence may be trusted."""
    even = np.ones(len(chance))
    print(
        f"{name}: {len(chance)} answers, {right.mean():.3f} right,"
        f" Brier {brier(chance, right, even):.3f}, skill {skill(chance, right, even):.3f},"
        f" ECE {calibration_error(chance, right, even):.3f},"
        f" AUC {auc(list(chance[right == 1]), list(chance[right == 0])):.3f}"
    )


def line(chance: Numbers, right: Numbers) -> list[tuple[float, float]]:
    """Return the points of a reliability plot."""
    found = reliability(chance, right, np.ones(len(chance)))
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
    chance = held_out(rows, right, np.array([part_of(row.article) for row in told]))
    fit = fitted(rows, right, np.ones(len(rows)))
    print("fit:", round(fit.constant, 2), dict(zip(COLUMNS, np.round(fit.weights, 2), strict=True)))
    show("all", chance, right)
    show("of questions with an answer", chance[able], right[able])
    before = np.array([row.confidence for row in told])
    show("as the service said it", before, right)
    if given.plots:
        title = "Extracts of SQuAD; each article by the fit to others"
        lines = {"by the fit to others": line(chance, right), "before": line(before, right)}
        drawn = confidence_plot(title, lines)
        (given.plots / "confidence.svg").write_text(drawn, "utf-8")


if __name__ == "__main__":
    main()
