"""What ways to fuse the two lists of a search do to nDCG@10, on judged sets.

    python benchmarks/fusion.py FOLDER [FOLDER ...] [--size 510]

A FOLDER holds `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` in BEIR's form. Documents are cut as
Citewell cuts them; a document's rank is that of its best chunk. nDCG is trec_eval's, with linear
gain. Prints a row for each way, a column for each set; and how often the one chunk that holds a
word with a digit comes first, when that word is all that is asked for.
"""

import argparse
import asyncio
import csv
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, pstdev

from exact import SPACE, ExactIndex, embedded, local_embedder, rows

from citewell.evaluation.measures import ndcg
from services.ingest_worker.chunking.chunker import chunk
from services.ingest_worker.chunking.sizes import ChunkSizes
from services.ingest_worker.parsing.text.plain import paragraphs
from services.query_api.retrieval.fusion import fuse
from shared.embeddings.spaces import embedding_space
from shared.models import Element, ElementKind
from shared.tokens.build import build_tokenizer

CUT = 10
CODES = 100
_CODE = re.compile(r"\b[A-Za-z]*\d[\w.-]*\w\b")

Scores = Mapping[int, float]
Fusion = Callable[[Scores, Scores], Mapping[int, float]]


def by_ranks(dense: Scores, sparse: Scores, *, k: int, weight: float = 0.5) -> dict[int, float]:
    """Fuse by reciprocal ranks."""
    fused: dict[int, float] = defaultdict(float)
    for scores, share in ((dense, weight), (sparse, 1 - weight)):
        for rank, number in enumerate(scores, start=1):
            fused[number] += share / (k + rank)
    return fused


def by_scores(
    dense: Scores, sparse: Scores, *, weight: float, deviations: float | None = None
) -> dict[int, float]:
    """Fuse by scores scaled between their bounds, or some deviations around their mean."""
    fused: dict[int, float] = defaultdict(float)
    for scores, share in ((dense, weight), (sparse, 1 - weight)):
        low, high = _bounds(list(scores.values()), deviations) if scores else (0.0, 1.0)
        for number, score in scores.items():
            fused[number] += share * min(1.0, max(0.0, (score - low) / (high - low or 1.0)))
    return fused


def _bounds(scores: Sequence[float], deviations: float | None) -> tuple[float, float]:
    if deviations is None:
        return min(scores), max(scores)
    middle, around = fmean(scores), deviations * pstdev(scores)
    return middle - around, middle + around


FUSIONS: dict[str, Fusion] = {
    "dense": lambda dense, _: dense,
    "sparse": lambda _, sparse: sparse,
    **{f"ranks, k {k}": partial(by_ranks, k=k) for k in (2, 5, 10, 20, 60)},
    **{f"ranks, k 10, {w}": partial(by_ranks, k=10, weight=w) for w in (0.6, 0.7)},
    **{f"scores, {w}": partial(by_scores, weight=w) for w in (0.4, 0.5, 0.55, 0.6, 0.7)},
    **{f"deviations, {w}": partial(by_scores, weight=w, deviations=3) for w in (0.5, 0.6)},
    "both (shipped)": fuse,
}


def pieces(folder: Path, size: int) -> list[tuple[str, str]]:
    """Return every chunk of a set's documents, behind the id of the document it is of."""
    tokenizer, sizes = build_tokenizer(embedding_space(SPACE)), ChunkSizes.of(size)
    return [
        (row["_id"], one.text)
        for row in rows(folder / "corpus.jsonl")
        for one in chunk(_elements(row), tokenizer=tokenizer, sizes=sizes)
    ]


def _elements(row: Mapping[str, str]) -> list[Element]:
    text = f"{row.get('title') or row['_id']}\n\n{row['text']}"
    return [Element(kind=ElementKind.PARAGRAPH, text=one) for one in paragraphs(text)]


def judgements(folder: Path) -> dict[str, dict[str, int]]:
    """Return each question's relevant documents with their grades."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                found[row["query-id"]][row["corpus-id"]] = int(row["score"])
    return found


def codes(chunks: Sequence[str]) -> dict[str, int]:
    """Return words with a digit that one chunk alone holds, with its place; a fixed sample."""
    holders: dict[str, set[int]] = defaultdict(set)
    for number, text in enumerate(chunks):
        for word in _CODE.findall(text):
            if len(word) > 3:  # noqa: PLR2004 - shorter ones are mostly plain numbers
                holders[word].add(number)
    alone = sorted(word for word, found in holders.items() if len(found) == 1)
    chosen = random.Random(0).sample(alone, min(CODES, len(alone)))  # noqa: S311 - no secret
    return {word: next(iter(holders[word])) for word in chosen}


async def measured(folder: Path, size: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the mean nDCG@10 of each way on one set, and its share of codes found first."""
    embedder = local_embedder()
    owners, chunks = zip(*pieces(folder, size), strict=True)
    index = ExactIndex(chunks, await embedded(embedder, chunks))
    judged, found = judgements(folder), defaultdict[str, list[float]](list)
    for row in rows(folder / "queries.jsonl"):
        if row["_id"] not in judged:
            continue
        lists = index.search(row["text"], await embedder.embed_query(row["text"]))
        for name, fusion in FUSIONS.items():
            documents = dict.fromkeys(owners[number] for number in _order(fusion(*lists)))
            found[name].append(ndcg(list(documents), judged[row["_id"]], CUT))
    asked, first = codes(chunks), Counter[str]()
    for word, number in asked.items():
        lists = index.search(word, await embedder.embed_query(word))
        first.update(name for name, way in FUSIONS.items() if _order(way(*lists))[:1] == [number])
    return (
        {name: fmean(scores) for name, scores in found.items()},
        {name: first[name] / len(asked) for name in FUSIONS},
    )


def _order(fused: Scores) -> list[int]:
    return sorted(fused, key=lambda number: -fused[number])


async def main() -> None:
    """Measure every way on every set."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folders", type=Path, nargs="+")
    ask.add_argument("--size", type=int, default=510)
    given = ask.parse_args()
    found = {folder.name: await measured(folder, given.size) for folder in given.folders}
    for number, title in enumerate(("nDCG@10", "codes first")):
        print(f"{title:16}", *(f"{name[:12]:>12}" for name in found), f"{'mean':>12}")
        for name in FUSIONS:
            scores = [of_set[number][name] for of_set in found.values()]
            print(f"{name:16}", *(f"{score:12.4f}" for score in [*scores, fmean(scores)]))


if __name__ == "__main__":
    asyncio.run(main())
