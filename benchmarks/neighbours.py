"""What the chunks around the hits add to an answer's passages, and what they cost.

    python benchmarks/neighbours.py FOLDER [--questions 600] [--seed 1] [--sizes 128 256 510]

FOLDER is as in `chunking.py`. For so many hits with so many neighbours on either side it prints the
mean tokens of the passages, the share of questions whose answer stands in them with what surrounds
it, and the share whose extract, the answer without a model, holds the answer. `short` widens only
chunks of less than half the size.
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from time import process_time
from uuid import UUID, uuid4

from chunking import Question, articles, by_section, interval, questions
from exact import SPACE, ExactIndex, embedded, local_embedder, rows

from services.query_api.generation.extractive import extract
from services.query_api.generation.passages import numbered
from services.query_api.retrieval.fusion import fuse
from services.query_api.retrieval.hits import Context, Hit, Scores
from services.query_api.retrieval.relevance.evidence import Evidence, Seen
from services.query_api.retrieval.relevance.fits import fit_of
from services.query_api.retrieval.relevance.scoring import relevance
from shared.database.live_chunks import LiveChunk
from shared.embeddings.spaces import embedding_space
from shared.tokens.base import Tokenizer
from shared.tokens.build import build_tokenizer

MOST_HITS = 15
# Hits, neighbours on either side, and whether of short chunks alone.
WAYS = (
    *((hits, 0, False) for hits in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15)),
    *((hits, 1, False) for hits in (1, 2, 3, 4, 5)),
    *((hits, 2, False) for hits in (1, 2, 3)),
    *((hits, 1, True) for hits in (3, 5)),
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Every chunk in order, its tokens, and its neighbours' numbers by its own."""

    chunks: Sequence[LiveChunk]
    tokens: Sequence[int]
    size: int

    def hit(self, number: int, neighbours: int, *, short: bool) -> Hit:
        """Return a chunk as a hit, with what stands around it."""
        if short and self.tokens[number] >= self.size / 2:
            neighbours = 0
        own = self.chunks[number]
        around = self.chunks[max(0, number - neighbours) : number + neighbours + 1]
        beside = [one for one in around if one.version_id == own.version_id]
        before = tuple(one for one in beside if one.ordinal < own.ordinal)
        after = tuple(one for one in beside if one.ordinal > own.ordinal)
        return Hit(own, "default", 0.0, Scores(), context=Context(before, after))


def corpus(folder: Path, tokenizer: Tokenizer, size: int) -> Corpus:
    """Cut the articles."""
    chunks = [
        _chunk(version, title, ordinal, text)
        for title, article in articles(folder).items()
        for version in (uuid4(),)
        for ordinal, text in enumerate(by_section(title, article, tokenizer, size))
    ]
    return Corpus(chunks, [tokenizer.count(chunk.text) for chunk in chunks], size)


def _chunk(version: UUID, title: str, ordinal: int, text: str) -> LiveChunk:
    return LiveChunk(
        id=uuid4(),
        document_id=version,
        version_id=version,
        version=1,
        ordinal=ordinal,
        text=text,
        tokens=1,
        boxes=(),
        page_start=1,
        page_end=1,
        page_turns=(),
        section=(),
        filename=title,
        attributes={},
    )


async def measure(
    cut: Corpus, asked: Sequence[Question], answers: dict[str, list[str]], tokenizer: Tokenizer
) -> None:
    """Print a line for each way."""
    embedder = local_embedder()
    texts = [chunk.text for chunk in cut.chunks]
    index = ExactIndex(texts, await embedded(embedder, texts))
    ranked = [
        _ranked(one.text, texts, *index.search(one.text, await embedder.embed_query(one.text)))
        for one in asked
    ]
    for hits, neighbours, short in WAYS:
        tokens, told, extracted = [], [], []
        for question, order in zip(asked, ranked, strict=True):
            passages = numbered(
                [
                    replace(cut.hit(number, neighbours, short=short), score=score)
                    for number, score in order[:hits]
                ]
            )
            read = [one.text for one in passages]
            tokens.append(sum(map(tokenizer.count, read)))
            plain = [" ".join(text.split()) for text in read]
            told.append(any(one in text for one in question.evidence for text in plain))
            extract_ = " ".join(extract(question.text, passages).text.split())
            extracted.append(any(one in extract_ for one in answers[question.text]))
        what = f"{hits:2} hits ±{neighbours}{' short' if short else '      '}"
        half = interval(fmean(told), len(told))
        print(
            f"{cut.size:4} {what} {fmean(tokens):6.0f} tokens  there {fmean(told):.3f} ± {half:.3f}"
            f"  extracted {fmean(extracted):.3f}",
            flush=True,
        )


def _ranked(
    question: str, texts: Sequence[str], dense: dict[int, float], sparse: dict[int, float]
) -> list[tuple[int, float]]:
    """Return the chunks in fused order, each with its relevance."""
    evidence, fit = Evidence(question, dense, sparse, len(texts)), fit_of(SPACE, "hybrid")
    return [
        (at, relevance(fit, evidence, Seen(at, fused, texts[at])))
        for at, fused in islice(fuse(dense, sparse).items(), MOST_HITS)
    ]


async def main() -> None:
    """Cut, ask, count."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--questions", type=int, default=600)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 510])
    given = ask.parse_args()
    tokenizer = build_tokenizer(embedding_space(SPACE))
    asked = questions(given.folder, count=given.questions, seed=given.seed)
    by_id = {row["_id"]: row["answers"] for row in rows(given.folder / "answers.jsonl")}
    answers = {
        row["text"]: list(by_id[row["_id"]])
        for row in rows(given.folder / "queries.jsonl")
        if row["_id"] in by_id
    }
    for size in given.sizes:
        began = process_time()
        cut = corpus(given.folder, tokenizer, size)
        print(f"{len(cut.chunks)} chunks of at most {size}, {len(asked)} questions")
        await measure(cut, asked, answers, tokenizer)
        print(f"{process_time() - began:.0f} CPU-s, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
