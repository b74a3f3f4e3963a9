"""Fits the odds that a claim so worded is held up, as verification/thresholds.py has them.

    python benchmarks/claims_fit.py FOLDER [--questions 900]

FOLDER is SQuAD as squad.py reads it. Planted statements of the half of articles that is chosen on,
and of the claims written by hand every second case, both alike in weight; those with another's
number or name, and those that deny, are left out, for other checks look for them.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exact import SPACE, local_embedder
from logistic import auc, fitted
from planted import planted
from squad import read_squad

from services.query_api.generation.passages import Passage
from services.query_api.generation.verification.cases import Case
from services.query_api.generation.verification.checking import falsehood
from services.query_api.generation.verification.clauses import bare
from services.query_api.generation.verification.grounds import Grounds
from services.query_api.generation.verification.readings import Reading
from services.query_api.generation.verification.thresholds import WORDS
from shared.embeddings.base import Embedder
from tests.support.claims import written_claims

HELD_UP, NOT = ("true",), ("unsupported", "wrong passage")
SHOWN = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class Sample:
    """A claim's features; `of` tells where it comes from."""

    of: str
    held_up: bool
    features: tuple[float, ...]


async def sample(
    of: str, kind: str, text: str, passages: tuple[Sequence[Passage], Passage], embedder: Embedder
) -> Sample | None:
    """Return a claim's features, or None if another check finds it, or nothing could be near."""
    case = Case.of(Reading(bare(text)), [passages[1]], Grounds(passages[0]))
    if not case.windows or falsehood(case) is not None:
        return None
    embedded = await embedder.embed_documents([case.claim.text, *case.texts])
    nearness = float(np.max(embedded.vectors[1:] @ embedded.vectors[0]))
    words = case.wording
    features = (words.share, words.weakest, float(words.unsaid), nearness)
    return Sample(of, kind.startswith(HELD_UP), features)


def statements(
    folder: Path, questions: int
) -> Iterator[tuple[str, str, str, tuple[Sequence[Passage], Passage]]]:
    """Yield where a claim comes from, its kind, its text and its passages, all and marked."""
    written = written_claims()
    places = {id(one.passages): at for at, one in enumerate(written)}
    order = sorted(places.values())
    for one in written:
        half = order.index(places[id(one.passages)]) % 2
        yield f"by hand {half}", one.kind, one.text, (one.passages, one.marked)
    garden, made = planted(read_squad(folder), questions, 1)
    for statement in made:
        passages = garden.shelf.passages(statement.paragraphs)
        marked = passages[statement.paragraphs.index(statement.marked)]
        half = int(statement.held_out)
        yield f"planted {half}", statement.kind, statement.text, (passages, marked)


def show(title: str, samples: Sequence[Sample], columns: int) -> None:
    """Fit to what is chosen on, and print the weights and what they do."""
    chosen = [one for one in samples if one.of.endswith("0")]
    groups = {(one.of, one.held_up) for one in chosen}
    size = {group: sum((one.of, one.held_up) == group for one in chosen) for group in groups}
    rows = np.array([one.features[:columns] for one in chosen])
    happened = np.array([float(one.held_up) for one in chosen])
    counts = np.array([1000 / size[one.of, one.held_up] for one in chosen])
    fit = fitted(rows, happened, counts)
    print(title, round(fit.constant, 2), np.round(fit.weights, 2))
    for of in sorted({one.of for one in samples}):
        mine = [one for one in samples if one.of == of]
        odds = fit.of(np.array([one.features[:columns] for one in mine]))
        yes = [float(chance) for chance, one in zip(odds, mine, strict=True) if one.held_up]
        no = [float(chance) for chance, one in zip(odds, mine, strict=True) if not one.held_up]
        shown = "; ".join(
            f"{at}: {np.mean(np.less(yes, at)):.3f} dropped,"
            f" {np.mean(np.greater_equal(no, at)):.3f} kept"
            for at in SHOWN
        )
        print(f"  {of}: AUC {auc(yes, no):.4f}, of {len(yes)} and {len(no)}, at {shown}")


async def main() -> None:
    """Read, fit and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--questions", type=int, default=900)
    given = ask.parse_args()
    embedder = local_embedder()
    found = [
        await sample(of, kind, text, passages, embedder)
        for of, kind, text, passages in statements(given.folder, given.questions)
        if kind.startswith((*HELD_UP, *NOT))
    ]
    samples = [one for one in found if one is not None]
    show("words", samples, 3)
    show(f"words and {SPACE}", samples, 4)
    print("now:", WORDS)


if __name__ == "__main__":
    asyncio.run(main())
