"""SQuAD in BEIR's form: paragraphs, the questions asked of them, and the accepted answers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
from exact import ExactIndex, rows

from services.query_api.generation.passages import Passage, numbered
from services.query_api.retrieval.hits import Hit, Scores
from shared.database.live_chunks import LiveChunk

_NAMESPACE = UUID("6c1f2f5e-8f0f-4d3a-9a55-0d8f6a2f7c11")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its accepted answers, and the paragraph it was asked of.

    Of one without any answer the paragraph only looks as if it had one.
    """

    id: str
    text: str
    paragraph: str
    answers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Squad:
    """Texts and titles of paragraphs by id, and the questions."""

    texts: Mapping[str, str]
    titles: Mapping[str, str]
    questions: Sequence[Asked]
    unanswerable: Sequence[Asked]

    def article(self, paragraph: str) -> list[str]:
        """Return the paragraphs of the same article."""
        title = self.titles[paragraph]
        return [one for one in self.texts if self.titles[one] == title]


def read_squad(folder: Path) -> Squad:
    """Read the folder."""
    corpus = rows(folder / "corpus.jsonl")
    answers = {row["_id"]: row["answers"] for row in rows(folder / "answers.jsonl")}
    lines = (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]
    gold = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    return Squad(
        {row["_id"]: row["text"] for row in corpus},
        {row["_id"]: row["title"] for row in corpus},
        [
            Asked(row["_id"], row["text"], gold[row["_id"]], answers[row["_id"]])
            for row in rows(folder / "queries.jsonl")
        ],
        [
            Asked(row["_id"], row["text"], row["looks_like"])
            for row in rows(folder / "unanswerable.jsonl")
        ],
    )


def is_held_out(title: str) -> bool:
    """Tell to which half an article belongs: the one thresholds are chosen on, or the other."""
    return hashlib.sha256(title.encode()).digest()[0] % 2 == 1


class Shelf:
    """The paragraphs as they would be found: by BM25, and as numbered passages."""

    def __init__(self, squad: Squad) -> None:
        """Index them by their words."""
        self._squad = squad
        self._ids = list(squad.texts)
        texts = [f"{squad.titles[one]}\n{squad.texts[one]}" for one in self._ids]
        self._index = ExactIndex(texts, np.zeros((len(texts), 1)))

    def nearest(self, question: str) -> list[str]:
        """Return paragraphs, best first."""
        return [self._ids[at] for at in self._index.search(question, np.zeros(1))[1]]

    def passages(
        self, paragraphs: Sequence[str], scores: Sequence[float] | None = None
    ) -> list[Passage]:
        """Return paragraphs as passages, numbered in this order, all alike near if not told."""
        near = scores or [0.8] * len(paragraphs)
        hits = [self._hit(*pair) for pair in zip(paragraphs, near, strict=True)]
        return numbered(hits)

    def _hit(self, paragraph: str, score: float) -> Hit:
        made = uuid5(_NAMESPACE, paragraph)
        title = self._squad.titles[paragraph]
        chunk = LiveChunk(
            id=made,
            document_id=made,
            version_id=made,
            version=1,
            ordinal=0,
            text=self._squad.texts[paragraph],
            tokens=1,
            page_start=1,
            page_end=1,
            page_turns=(),
            section=(title,),
            boxes=(),
            filename=f"{paragraph.replace('#', '-')}.txt",
            attributes={},
        )
        return Hit(chunk, "squad", score, Scores())
