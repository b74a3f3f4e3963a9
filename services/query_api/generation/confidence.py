"""How likely an answer is right: from how near its passages are, and how well they hold it up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from services.query_api.generation.passages import Claim, Passage
from services.query_api.generation.verification.names import in_words, names_of
from services.query_api.generation.verification.readings import Reading

# Relevance is taken in log-odds; nearer to 0 and 1 than this it tells no more.
_NEAREST = 0.005
# So many names and numbers that are not there say as much as more of them.
_MOST_MISSING = 3


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of an answer.

    `relevance` is that of the best passage it cites, `spoken` the share of the question's terms
    that one of its quotes has, `missing` how many of the question's names and numbers none of the
    passages it cites has. `support` is the mean support of its sentences that are held up, `kept`
    the share of its sentences that are; an extract has 1 for both. All but `missing` in [0, 1].
    """

    relevance: float
    spoken: float
    missing: int = 0
    support: float = 1.0
    kept: float = 1.0


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression over features."""

    constant: float
    relevance: float
    spoken: float
    missing: float


# Fitted by benchmarks/confidence.py to extracts from SQuAD; figures: benchmarks/answers-2026-11.md.
WEIGHTS = Weights(constant=-0.56, relevance=0.35, spoken=1.38, missing=-0.73)


def features_of(
    question: str, claims: Sequence[Claim], *, supports: Sequence[float] = (), statements: int = 0
) -> Features:
    """Return what is known of an answer that rests on claims, at least one.

    `supports` are those of its sentences that are held up, of `statements` that were checked;
    without any it is an extract.
    """
    asked = Reading(question)
    quotes = [Reading(quote) for quote in {claim.quote for claim in claims}]
    return Features(
        relevance=max(claim.score for claim in claims),
        spoken=max((_share(asked, quote) for quote in quotes), default=0.0),
        missing=_missing(asked, claims),
        support=fmean(supports) if supports else 1.0,
        kept=len(supports) / statements if statements else 1.0,
    )


def confidence(features: Features) -> float:
    """Return the probability that an answer says what was asked for.

    That its passages answer the question is fitted; that it says what they say is the verdict on
    its sentences. One without the other is not right.
    """
    return answered(features) * features.support * features.kept


def answered(features: Features) -> float:
    """Return the probability that what is cited answers the question."""
    logit = (
        WEIGHTS.constant
        + WEIGHTS.relevance * log_odds(features.relevance)
        + WEIGHTS.spoken * features.spoken
        + WEIGHTS.missing * features.missing
    )
    return 1 / (1 + math.exp(-logit))


def log_odds(share: float) -> float:
    """Return a probability's log-odds, within bounds."""
    kept = min(max(share, _NEAREST), 1 - _NEAREST)
    return math.log(kept / (1 - kept))


def _share(asked: Reading, quote: Reading) -> float:
    return len(asked.keys & quote.keys) / len(asked.keys) if asked.keys else 0.0


def _missing(asked: Reading, claims: Sequence[Claim]) -> int:
    cited = Reading("\n".join({_read(claim.passage) for claim in claims}))
    names = [name for name in names_of(asked) if name.sure]
    numbers = [number for number in asked.numbers if number.asked]
    missing = sum(not in_words(name.folded, cited.folded) for name in names)
    missing += sum(not number.meets(cited.values) for number in numbers)
    return min(missing, _MOST_MISSING)


def _read(passage: Passage) -> str:
    return "\n".join((*passage.section, passage.chunks[0].filename, passage.text))
