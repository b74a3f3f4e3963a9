"""What is found out about a sentence: whether the passages it points to hold it up, and where."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.query_api.generation.passages import Passage
from shared.database.live_chunks import LiveChunk


class Outcome(StrEnum):
    """What a sentence is: held up, not held up, or without anything that could be checked."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    NOTHING_TO_CHECK = "nothing_to_check"


class Reason(StrEnum):
    """Why a sentence is not held up.

    `number` and `name`: one is missing, or another stands in its place. `unlike`: too little of
    what it says is there. `negated`: the passage says the contrary. `no_passage`: there is none.
    """

    NUMBER = "number"
    NAME = "name"
    UNLIKE = "unlike"
    NEGATED = "negated"
    NO_PASSAGE = "no_passage"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of a chunk's stored text that holds a sentence up."""

    passage: Passage
    chunk: LiveChunk
    start: int
    end: int

    @property
    def quote(self) -> str:
        """The span, to the letter."""
        return self.chunk.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one sentence.

    `support`, in [0, 1], is how much of it is there. `evidence` has one span of each passage that
    adds to it, the strongest first; it is empty unless the sentence is supported.
    """

    outcome: Outcome
    support: float = 0.0
    why: Reason | None = None
    evidence: Sequence[Evidence] = ()

    @property
    def supported(self) -> bool:
        """Whether it may be said with its sources."""
        return self.outcome is Outcome.SUPPORTED


NOTHING_TO_CHECK = Verdict(Outcome.NOTHING_TO_CHECK)


def unsupported(why: Reason, support: float = 0.0) -> Verdict:
    """Return the verdict on a sentence that is not held up."""
    return Verdict(Outcome.UNSUPPORTED, support, why)


# A sentence without markers and the passages that it names, in; the verdict, out.
Check = Callable[[str, Sequence[Passage]], Awaitable[Verdict]]
