"""Judged sets in BEIR's form as collections that are asked: whole, and small parts of them."""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from exact import ExactIndex, embedded, local_embedder, rows
from fusion import judgements, pieces

One = TypeVar("One")
# Who is asked what: a whole set its own questions, such as only look like them, or another set's;
# a small part of a set those it has something for, or others.
Kind = Literal["own", "lacking", "foreign", "small own", "small others"]

SIZES = (1, 3, 10, 30, 100, 300)
# A small collection of every size is drawn so often that they have about so many documents in all.
DRAWN = 60
MOST_CHARACTERS = 1000
# Questions of one are questions of the other: neither has what is surely not in it.
SAME_FIELD = frozenset({frozenset({"scifact", "nfcorpus"})})


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its vector, and the documents judged relevant."""

    id: str
    text: str
    vector: np.ndarray
    wanted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asking:
    """A question put to a collection; `owners` are the documents of its chunks."""

    set: str
    kind: Kind
    question: Question
    index: ExactIndex
    texts: Sequence[str]
    owners: Sequence[str]

    @property
    def id(self) -> tuple[str, str, str, int]:
        """What tells it from the others."""
        return self.set, self.kind, self.question.id, id(self.index)


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """A set's chunks, and its questions: judged ones, and those known to have no answer in it."""

    name: str
    texts: Sequence[str]
    owners: Sequence[str]
    vectors: np.ndarray
    judged: Sequence[Question]
    unanswerable: Sequence[Question]

    def part(self, documents: set[str] | None = None) -> tuple[ExactIndex, list[str], list[str]]:
        """Return an index of some documents or of all, with the texts and owners of its chunks."""
        kept = [at for at, one in enumerate(self.owners) if documents is None or one in documents]
        texts = [self.texts[at] for at in kept]
        return ExactIndex(texts, self.vectors[kept]), texts, [self.owners[at] for at in kept]


class VectorCache:
    """Vectors by the text they are of, kept in a folder from run to run."""

    def __init__(self, folder: Path | None) -> None:
        """Take the folder; None keeps nothing."""
        self._folder = folder
        self._embedder = local_embedder()

    async def of(self, name: str, texts: Sequence[str], *, questions: bool = False) -> np.ndarray:
        """Return a vector for each text."""
        known = self._read(name)
        missing = list(dict.fromkeys(one for one in texts if _key(one) not in known))
        if missing:
            made = await (self._asked(missing) if questions else embedded(self._embedder, missing))
            known.update(zip(map(_key, missing), made, strict=True))
            self._write(name, known)
        return np.stack([known[_key(one)] for one in texts])

    async def _asked(self, questions: Sequence[str]) -> np.ndarray:
        return np.stack([await self._embedder.embed_query(one) for one in questions])

    def _read(self, name: str) -> dict[str, np.ndarray]:
        path = self._folder / f"{name}.npz" if self._folder else None
        if path is None or not path.exists():
            return {}
        with np.load(path) as kept:
            return dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def _write(self, name: str, known: Mapping[str, np.ndarray]) -> None:
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            keys, vectors = np.array(list(known)), np.stack(list(known.values()))
            np.savez(self._folder / f"{name}.npz", keys=keys, vectors=vectors)


async def read_judged(folder: Path, least: int, size: int, cache: VectorCache) -> JudgedSet:
    """Read a set; `least` is the least grade that counts as relevant."""
    name = folder.name
    owners, texts = zip(*pieces(folder, size), strict=True)
    graded = judgements(folder)
    wanted = {
        id_: frozenset(one for one, grade in of_id.items() if grade >= least) - {id_}
        for id_, of_id in graded.items()
    }
    asked = [row for row in rows(folder / "queries.jsonl") if wanted.get(row["_id"])]
    path = folder / "unanswerable.jsonl"
    lacking = rows(path) if path.exists() else []
    said = [row["text"][:MOST_CHARACTERS] for row in (*asked, *lacking)]
    vectors = await cache.of(f"{name}-questions", said, questions=True)
    questions = [
        Question(row["_id"], text, vector, wanted.get(row["_id"], frozenset()))
        for row, text, vector in zip((*asked, *lacking), said, vectors, strict=True)
    ]
    return JudgedSet(
        name,
        texts,
        owners,
        await cache.of(f"{name}-{size}", texts),
        questions[: len(asked)],
        questions[len(asked) :],
    )


def askings(sets: Sequence[JudgedSet], most: int, seed: int) -> Iterator[Asking]:
    """Yield every question that is put to a collection, the same for each seed.

    Of a set's questions at most `most` are asked of all of it, and as many that have no answer.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    for one in sets:
        others = [
            question
            for other in sets
            if other is not one and frozenset({one.name, other.name}) not in SAME_FIELD
            for question in _some(draw, other.judged, 40)
        ]
        yield from _of_the_whole(one, others, most, draw)
        yield from _of_parts(one, others, draw)


def _of_the_whole(
    one: JudgedSet, others: Sequence[Question], most: int, draw: random.Random
) -> Iterator[Asking]:
    part = one.part()
    for question in _some(draw, one.judged, most):
        yield Asking(one.name, "own", question, *part)
    for question in _some(draw, one.unanswerable, most):
        yield Asking(one.name, "lacking", question, *part)
    for question in others:
        yield Asking(one.name, "foreign", question, *part)


def _of_parts(one: JudgedSet, others: Sequence[Question], draw: random.Random) -> Iterator[Asking]:
    for size in SIZES:
        for _ in range(max(3, DRAWN // size)):
            documents = _documents(one, size, draw)
            part = one.part(documents)
            having = [q for q in one.judged if q.wanted & documents]
            lacking = [q for q in one.judged if not q.wanted & documents]
            for question in _some(draw, having, 20):
                yield Asking(one.name, "small own", question, *part)
            for question in (*_some(draw, lacking, 8), *_some(draw, others, 8)):
                yield Asking(one.name, "small others", question, *part)


def _documents(one: JudgedSet, size: int, draw: random.Random) -> set[str]:
    """Return some documents: a few that are relevant to a question, and what stands beside them.

    Documents stand in the set's order, in which some sets have those of one article together.
    """
    order = list(dict.fromkeys(one.owners))
    places = {name: at for at, name in enumerate(order)}
    chosen: set[str] = set()
    while len(chosen) < min(size, len(order)):
        wanted = sorted(draw.choice(one.judged).wanted & places.keys())
        for name in _some(draw, wanted, 3):
            at = places[name]
            beside = order[at : at + draw.randint(1, 4)]
            chosen.update(beside[: size - len(chosen)])
        if len(chosen) < size:
            chosen.add(draw.choice(order))
    return chosen


def _some(draw: random.Random, among: Sequence[One], most: int) -> list[One]:
    return draw.sample(among, min(most, len(among)))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
