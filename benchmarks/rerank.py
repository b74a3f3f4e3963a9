"""What ways to blend the cross-encoder's scores into the fused order do to nDCG@10.

    python benchmarks/rerank.py FOLDER [FOLDER ...] [--questions 400] [--most 30] [--tokens 256]

A FOLDER holds `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` in BEIR's form; documents are cut and
ranked as in `benchmarks/fusion.py`. A fixed sample of the questions is asked. The first `--most`
hits are read once, in one thread, and every way is made of the same logits. Prints a row for each
number of hits and way, a column for each set, the greatest loss of any set, and the seconds that
reading took.
"""

import argparse
import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from exact import ExactIndex, embedded, local_embedder, rows
from fusion import CUT, judgements, pieces

from citewell.evaluation.measures import ndcg
from services.query_api.rerank.blending import blended, share
from services.query_api.rerank.cross_encoder import CrossEncoder
from services.query_api.retrieval.fusion import fuse
from shared.weights import reranker_folder

SIZE = 510
Scores = Mapping[int, float]
Way = Callable[[Scores, Scores], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its chunks in fused order, the first ones' logits, and what is relevant."""

    fused: Scores
    logits: Scores
    owners: Sequence[str]
    wanted: Mapping[str, int]

    def worth(self, way: Way, most: int) -> float:
        """Return the nDCG@10 when a way has read so many hits."""
        read = dict(list(self.logits.items())[:most])
        ranked = dict.fromkeys(self.owners[number] for number in way(self.fused, read))
        return ndcg(list(ranked), self.wanted, CUT)


def scaled(fused: Scores, logits: Scores, *, weight: float) -> list[int]:
    """Blend both scores scaled between the bounds of the hits that were read."""
    before, said = _scaled({one: fused[one] for one in logits}), _scaled(logits)
    score = {one: (1 - weight) * before[one] + weight * said[one] for one in logits}
    return _in_order(fused, score)


def shares(fused: Scores, logits: Scores, *, weight: float, temperature: float) -> list[int]:
    """Blend the fused score with the logit's sigmoid at a temperature."""
    score = {
        one: (1 - weight) * fused[one] + weight * share(logit, temperature=temperature)
        for one, logit in logits.items()
    }
    return _in_order(fused, score)


def _in_order(fused: Scores, score: Scores) -> list[int]:
    return [
        *sorted(score, key=lambda one: -score[one]),
        *(one for one in fused if one not in score),
    ]


def _scaled(scores: Scores) -> dict[int, float]:
    low, high = min(scores.values()), max(scores.values())
    return {one: (score - low) / (high - low or 1.0) for one, score in scores.items()}


WAYS: dict[str, Way] = {
    "fused": lambda fused, _: list(fused),
    "model alone": _in_order,
    **{f"scaled, {w}": partial(scaled, weight=w) for w in (0.3, 0.5, 0.7)},
    **{
        f"sigmoid of 1/{t:g}, {w}": partial(shares, weight=w, temperature=t)
        for t in (1, 2, 3, 6)
        for w in (0.2, 0.35, 0.5)
    },
    "shipped": blended,
}


async def measured(folder: Path, given: argparse.Namespace) -> list[Asked]:
    """Ask a sample of a set's questions, and read the first hits of each."""
    embedder = local_embedder()
    model = CrossEncoder(reranker_folder(), threads=1, max_tokens=given.tokens)
    owners, chunks = zip(*pieces(folder, SIZE), strict=True)
    index = ExactIndex(chunks, await embedded(embedder, chunks))
    judged = judgements(folder)
    queries = [row for row in rows(folder / "queries.jsonl") if row["_id"] in judged]
    random.Random(1).shuffle(queries)  # noqa: S311 - no secret
    asked = []
    for row in queries[: given.questions]:
        fused = fuse(*index.search(row["text"], await embedder.embed_query(row["text"])))
        logits = {one: model.logit(row["text"], chunks[one]) for one in list(fused)[: given.most]}
        asked.append(Asked(fused, logits, owners, judged[row["_id"]]))
    return asked


async def main() -> None:
    """Measure every way on every set."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folders", type=Path, nargs="+")
    ask.add_argument("--questions", type=int, default=400)
    ask.add_argument("--most", type=int, default=30)
    ask.add_argument("--tokens", type=int, default=256)
    given = ask.parse_args()
    found: dict[str, list[Asked]] = defaultdict(list)
    for folder in given.folders:
        began = time.process_time()
        found[folder.name] = await measured(folder, given)
        spent = time.process_time() - began
        print(f"{folder.name}: {len(found[folder.name])} questions, {spent:.0f} s of processor")
    print(f"{'':24}", *(f"{name[:10]:>10}" for name in found), f"{'mean':>10} {'worst':>10}")
    for most in sorted({10, 20, given.most}):
        for name, way in WAYS.items():
            worth = [fmean(one.worth(way, most) for one in asked) for asked in found.values()]
            before = [
                fmean(one.worth(WAYS["fused"], most) for one in asked) for asked in found.values()
            ]
            worst = min(now - then for now, then in zip(worth, before, strict=True))
            figures = [*worth, fmean(worth), worst]
            print(f"{most:3} {name:20}", *(f"{figure:10.4f}" for figure in figures))


if __name__ == "__main__":
    asyncio.run(main())
