"""Answers without a model to SQuAD's questions, through a running stack: right, cited, abstained.

    python benchmarks/squad_answers.py FOLDER --data DIR --collection NAME [--rows FILE]

FOLDER is SQuAD as squad.py reads it, DIR the data folder of `citewell up`, NAME a collection with
one file for each paragraph, named by its id. Asks the same sample of answerable and unanswerable
questions each time. `--rows` keeps each answer, for confidence.py.
"""

import argparse
import asyncio
import json
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx
from squad import Asked, read_squad

_SOURCE = re.compile(r"\s*\[Source:[^\]]*\]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A question and what came back; `titles` and `quotes` are of its citations in order."""

    question: str
    article: str
    gold: str
    answers: Sequence[str]
    answer: str
    abstained: bool
    confidence: float
    best_score: float
    files: Sequence[str]
    quotes: Sequence[str]
    scores: Sequence[float]

    @property
    def has_gold(self) -> bool:
        """Whether an accepted answer stands in a quote."""
        quotes = [f" {normalised(quote)} " for quote in self.quotes]
        return any(f" {normalised(one)} " in quote for one in self.answers for quote in quotes)


def normalised(text: str) -> str:
    """Return a text as SQuAD compares it: lower case, no punctuation, no articles."""
    kept = "".join(one for one in text.lower() if one not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def exact(said: str, answer: str) -> float:
    """Return 1 where both are the same."""
    return float(normalised(said) == normalised(answer))


def f1(said: str, answer: str) -> float:
    """Return the harmonic mean of precision and recall of words."""
    mine, theirs = normalised(said).split(), normalised(answer).split()
    shared = sum((Counter(mine) & Counter(theirs)).values())
    return 2 * shared / (len(mine) + len(theirs)) if shared else 0.0


def best(measure: Callable[[str, str], float], said: str, answers: Sequence[str]) -> float:
    """Return the measure by the accepted answer that is nearest."""
    return max(measure(said, one) for one in answers)


async def ask(client: httpx.AsyncClient, collection: str, asked: Asked) -> Row:
    """Ask one question, without a model."""
    body = {"question": asked.text[:1000], "collection": collection, "model": "extractive"}
    response = await client.post("/v1/query", json=body)
    while response.status_code in (429, 503):
        await asyncio.sleep(0.5)
        response = await client.post("/v1/query", json=body)
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    cited = found["citations"]
    return Row(
        question=asked.text,
        article=asked.paragraph.partition("#")[0],
        gold=asked.paragraph,
        answers=list(asked.answers),
        answer=_SOURCE.sub("", found["answer"]),
        abstained=found["abstained"],
        confidence=found["confidence"],
        best_score=found["best_score"] or 0.0,
        files=[one["filename"].removesuffix(".txt") for one in cited],
        quotes=[one["quote"] for one in cited],
        scores=[one["score"] for one in cited],
    )


async def ask_all(data: Path, collection: str, questions: Sequence[Asked]) -> list[Row]:
    """Ask them, a few at once."""
    ready = json.loads((data / "ready.json").read_text("utf-8"))
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    slots = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=ready["url"], headers=headers, timeout=60) as client:

        async def one(asked: Asked) -> Row:
            async with slots:
                return await ask(client, collection, asked)

        return list(await asyncio.gather(*map(one, questions)))


def report(rows: Sequence[Row]) -> None:
    """Print what is right, what is cited and what is refused."""
    able = [row for row in rows if row.answers]
    unable = [row for row in rows if not row.answers]
    told = [row for row in able if not row.abstained]
    first = [(row.quotes[0], row.answers) for row in told]
    whole = [(row.answer, row.answers) for row in told]
    print(f"answerable {len(able)}, answered {len(told) / len(able):.3f}")
    print(f"unanswerable {len(unable)}, refused {fmean(row.abstained for row in unable):.3f}")
    print(f"an accepted answer stands in a quote: {fmean(row.has_gold for row in told):.3f}")
    in_first = fmean(
        any(f" {normalised(one)} " in f" {normalised(said)} " for one in answers)
        for said, answers in first
    )
    print(f"in the first quote: {in_first:.3f}")
    for name, pairs in (("whole answer", whole), ("first sentence", first)):
        print(
            f"{name}: EM {fmean(best(exact, *pair) for pair in pairs):.3f},"
            f" F1 {fmean(best(f1, *pair) for pair in pairs):.3f},"
            f" words {fmean(len(pair[0].split()) for pair in pairs):.1f}"
        )
    print(f"first citation is the paragraph: {fmean(row.files[0] == row.gold for row in told):.3f}")
    all_cited = [file == row.gold for row in told for file in row.files]
    print(f"each citation is the paragraph: {fmean(all_cited):.3f} of {len(all_cited)}")


def risk(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Return (share of questions answered, share of those that are wrong), surest first."""
    ranked = sorted((row for row in rows if not row.abstained), key=lambda row: -row.confidence)
    wrong = list(accumulate(float(not (row.answers and row.has_gold)) for row in ranked))
    shares = [round(0.05 * step, 2) for step in range(1, 20)]
    ends = [round(share * len(rows)) for share in shares]
    return [
        (share, wrong[end - 1] / end)
        for share, end in zip(shares, ends, strict=True)
        if 0 < end <= len(wrong)
    ]


async def main() -> None:
    """Ask, judge and print."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("folder", type=Path)
    told.add_argument("--data", type=Path, required=True)
    told.add_argument("--collection", required=True)
    told.add_argument("--questions", type=int, default=1000, help="of either kind")
    told.add_argument("--rows", type=Path)
    given = told.parse_args()
    squad = read_squad(given.folder)
    draw = random.Random(1)  # noqa: S311 - no secret
    asked = [
        one
        for kind in (squad.questions, squad.unanswerable)
        for one in draw.sample(list(kind), min(given.questions, len(kind)))
    ]
    rows = await ask_all(given.data, given.collection, asked)
    report(rows)
    if given.rows:
        lines = (json.dumps(asdict(row)) for row in rows)
        given.rows.write_text("\n".join(lines), "utf-8")
    for share, wrong in risk(rows):
        print(f"{share:.1f} of all questions answered: {wrong:.3f} wrong")


if __name__ == "__main__":
    asyncio.run(main())
