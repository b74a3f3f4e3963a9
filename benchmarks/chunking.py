"""What size and method of chunks do to retrieval, on articles with questions and known answers.

    python benchmarks/chunking.py FOLDER [--questions 600] [--seed 1] [--methods …]

FOLDER holds `corpus.jsonl` (passages `_id`, `title`, `text`; a title's passages in order are one
article), `queries.jsonl`, `answers.jsonl` and `qrels.tsv`, as in SQuAD. A question is answered when
one of the chunks that fit a budget of tokens, best first, holds an answer with what stands around
it in its passage: a budget, because more text of any kind would else look better. Dense and sparse
rankings are fused as in a search. Prints a share with its 95 % interval for each method and size.
"""

import argparse
import asyncio
import csv
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

from services.ingest_worker.chunking.chunker import chunk
from services.ingest_worker.chunking.sizes import ChunkSizes
from services.query_api.retrieval.fusion import fuse
from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.spaces import embedding_space
from shared.embeddings.sparse import document_terms, query_terms
from shared.models import Element, ElementKind
from shared.settings import EmbeddingSettings
from shared.tokens.base import Tokenizer
from shared.tokens.build import build_tokenizer

SPACE = "local/bge-small-en-v1.5"
SIZES = (64, 128, 256, 510)
BUDGETS = (500, 1000, 2000)
AROUND = 40
DEPTH = 100
BATCH = 64

Article = Sequence[str]
Method = Callable[[str, Article, Tokenizer, int], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what a chunk must hold one of to answer it."""

    text: str
    evidence: Sequence[str]


def by_section(title: str, article: Article, tokenizer: Tokenizer, size: int) -> Iterator[str]:
    """Cut as Citewell does: whole sentences, paragraphs where they fit, overlap."""
    elements = [Element(kind=ElementKind.TITLE, text=title, level=1)]
    elements += [Element(kind=ElementKind.PARAGRAPH, text=text) for text in article]
    chunks = chunk(elements, tokenizer=tokenizer, sizes=ChunkSizes.of(size))
    return (one.text for one in chunks)


def by_window(title: str, article: Article, tokenizer: Tokenizer, size: int) -> Iterator[str]:
    """Cut every `size` words' tokens wherever that falls, a tenth of overlap."""
    words = " ".join([title, *article]).split()
    weights = [tokenizer.count(word) for word in words]
    first = 0
    while first < len(words):
        last, held = first, 0
        while last < len(words) and held + weights[last] <= size:
            held += weights[last]
            last += 1
        last = max(last, first + 1)
        yield " ".join(words[first:last])
        if last == len(words):
            return
        first = max(first + 1, last - max(1, (last - first) // 10))


def by_paragraph(_title: str, article: Article, tokenizer: Tokenizer, size: int) -> Iterator[str]:
    """Take each paragraph as it is; one that is too long is cut like a window."""
    for text in article:
        if tokenizer.count(text) <= size:
            yield text
        else:
            yield from by_window("", [text], tokenizer, size)


METHODS: dict[str, Method] = {
    "section": by_section,
    "window": by_window,
    "paragraph": by_paragraph,
}


def articles(folder: Path) -> dict[str, list[str]]:
    """Return each title's passages in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in _rows(folder / "corpus.jsonl"):
        found[row["title"]].append(_plain(row["text"]))
    return dict(found)


def questions(folder: Path, *, count: int, seed: int) -> list[Question]:
    """Return some questions, always the same for a seed."""
    passages = {row["_id"]: _plain(row["text"]) for row in _rows(folder / "corpus.jsonl")}
    answers = {row["_id"]: row["answers"] for row in _rows(folder / "answers.jsonl")}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        judged = {row["query-id"]: row["corpus-id"] for row in csv.DictReader(file, delimiter="\t")}
    asked = [row for row in _rows(folder / "queries.jsonl") if row["_id"] in judged]
    found = [
        Question(row["text"], _evidence(passages[judged[row["_id"]]], answers[row["_id"]]))
        for row in random.Random(seed).sample(asked, min(count, len(asked)))  # noqa: S311
    ]
    return [question for question in found if question.evidence]


def _evidence(passage: str, answers: Sequence[str]) -> list[str]:
    """Return each answer with some characters of the passage on both sides."""
    places = ((passage.find(_plain(answer)), len(_plain(answer))) for answer in answers)
    return [passage[max(0, at - AROUND) : at + size + AROUND] for at, size in places if at >= 0]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _plain(text: str) -> str:
    return " ".join(text.split())


class Index:
    """Chunks with their dense and sparse vectors, searched whole."""

    def __init__(self, chunks: Sequence[str], dense: np.ndarray) -> None:
        """Weigh the chunks' terms."""
        self._dense = dense
        self._postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, text in enumerate(chunks):
            terms = document_terms(text)
            for term, weight in zip(terms.indices, terms.values, strict=True):
                self._postings[term].append((number, weight))
        self._count = len(chunks)

    def search(self, question: str, vector: np.ndarray) -> list[int]:
        """Return chunks, best first."""
        dense = np.argsort(-(self._dense @ vector))[:DEPTH].tolist()
        fused = fuse(dense, self._sparse(question))
        return sorted(fused, key=lambda number: -fused[number])

    def _sparse(self, question: str) -> list[int]:
        scores: Counter[int] = Counter()
        for term in query_terms(question).indices:
            postings = self._postings.get(term, [])
            held = len(postings)
            idf = math.log(1 + (self._count - held + 0.5) / (held + 0.5))
            for number, weight in postings:
                scores[number] += idf * weight
        return [number for number, _ in scores.most_common(DEPTH)]


async def answered(
    chunks: Sequence[str], asked: Sequence[Question], tokenizer: Tokenizer
) -> dict[int, float]:
    """Return the share of questions that are answered within each budget."""
    settings = EmbeddingSettings()
    embedder = LocalEmbedder(embedding_space(SPACE), folder=local_folder, threads=settings.threads)
    parts = [chunks[first : first + BATCH] for first in range(0, len(chunks), BATCH)]
    dense = np.vstack([(await embedder.embed_documents(part)).vectors for part in parts])
    index, plain = Index(chunks, dense), [_plain(text) for text in chunks]
    weights = [tokenizer.count(text) for text in chunks]
    hits: Counter[int] = Counter()
    for question in asked:
        ranked = index.search(question.text, await embedder.embed_query(question.text))
        needed = _tokens_needed(ranked, question, plain, weights)
        hits.update(budget for budget in BUDGETS if needed <= budget)
    return {budget: hits[budget] / len(asked) for budget in BUDGETS}


def _tokens_needed(
    ranked: Sequence[int], question: Question, chunks: Sequence[str], weights: Sequence[int]
) -> float:
    read = 0
    for number in ranked:
        read += weights[number]
        if any(evidence in chunks[number] for evidence in question.evidence):
            return read
    return math.inf


def interval(share: float, count: int) -> float:
    """Return half the width of the 95 % interval (normal approximation)."""
    return 1.96 * math.sqrt(share * (1 - share) / count)


async def main() -> None:
    """Run every method and size."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--questions", type=int, default=600)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    given = ask.parse_args()
    tokenizer = build_tokenizer(embedding_space(SPACE))
    texts = articles(given.folder)
    asked = questions(given.folder, count=given.questions, seed=given.seed)
    print(f"{len(texts)} articles, {len(asked)} questions, {SPACE}")
    for name in given.methods:
        for size in SIZES if name != "paragraph" else SIZES[-1:]:
            began = process_time()
            chunks = [
                text
                for title, article in texts.items()
                for text in METHODS[name](title, article, tokenizer, size)
            ]
            shares = await answered(chunks, asked, tokenizer)
            told = "  ".join(
                f"{budget}: {share:.3f} ± {interval(share, len(asked)):.3f}"
                for budget, share in shares.items()
            )
            took = process_time() - began
            print(f"{name:9} {size:4} {len(chunks):5} chunks  {told}  {took:.0f} CPU-s", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
