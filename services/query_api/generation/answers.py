"""The values of an answer: what is asked, what is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from services.query_api.chat_models.base import Spent, Usage
from services.query_api.generation.passages import Claim, Passage
from services.query_api.retrieval.hits import Found
from services.query_api.retrieval.stopwatch import Stopwatch

# Characters of a question; turns of a conversation, characters of one and of all.
LONGEST_QUESTION = 1000
MOST_TURNS = 20
LONGEST_TURN = 4000
MOST_HISTORY_CHARS = 16_000
EXTRACTIVE = "extractive"
# What the instructions tell a model to say when the passages hold no answer.
NOT_IN_PASSAGES = "NOT_IN_PASSAGES"
# Stands behind a sentence that no passage supports, where such are marked in place of left out.
UNSUPPORTED = "[unsupported]"


class Abstention(StrEnum):
    """Why there is no answer."""

    NOTHING_FOUND = "nothing_found"
    BELOW_THRESHOLD = "below_threshold"
    NOT_IN_PASSAGES = "not_in_passages"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said before, by whom."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question; None leaves a choice to the configuration.

    `score_threshold` None means the floor of the space and of the way it was searched. `model` may
    be `extractive`. `asked_by` names the credential, as logs do; the four before it are those of a
    `SearchQuery`. `history` is what was said before, oldest first; `searched_for` is the text where
    that was not the asker's own. `spent` is what all of it takes of models, from now on.
    """

    answer_id: UUID
    tenant_id: str
    text: str
    collection: str = "default"
    context_limit: int = 5
    filters: Mapping[str, Any] = field(default_factory=dict)
    score_threshold: float | None = None
    temperature: float | None = None
    model: str | None = None
    neighbours: int = 0
    distinct: bool = True
    max_per_document: int | None = None
    rerank: bool = False
    asked_by: str = ""
    history: Sequence[Turn] = ()
    searched_for: str | None = None
    spent: Spent = field(default_factory=Spent, compare=False)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A question as it was understood, and what was found for it; `watch` runs since it came."""

    question: Question
    found: Found
    watch: Stopwatch


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or the honest word that there is none (`abstained` says why).

    `statements` are the sentences that state something, `supported` those that a passage holds up;
    the others were left out or marked. `best_score` is the relevance of the best hit, None if there
    was no hit at all. `searched_for` is what a follow-up was made into. `fallback` says what wrote
    the answer in the place of the first provider: another one, or `extractive`. `degraded` also
    says `context` where passages had no room in the prompt, and `length` where the answer was cut
    short.
    """

    answer_id: UUID
    text: str
    model: str
    prompt_version: str
    sources: Sequence[str] = ()
    claims: Sequence[Claim] = ()
    confidence: float = 0.0
    abstained: Abstention | None = None
    statements: int = 0
    supported: int = 0
    best_score: float | None = None
    searched_for: str | None = None
    fallback: str | None = None
    degraded: Sequence[str] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """An answer to write: the question, what it may rest on, and what is known of the answer.

    `whole`: nothing is shown before the end.
    """

    question: Question
    passages: Sequence[Passage]
    begun: Answer
    floor: float
    watch: Stopwatch
    whole: bool
