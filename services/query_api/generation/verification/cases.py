"""A claim beside the places it may rest on: what every check looks at."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from services.query_api.generation.passages import Passage
from services.query_api.generation.verification.clauses import clauses_of
from services.query_api.generation.verification.grounds import Grounds, Source
from services.query_api.generation.verification.names import Name, names_of
from services.query_api.generation.verification.numbers import Number
from services.query_api.generation.verification.readings import Reading
from services.query_api.generation.verification.thresholds import Wording

# A claim may put together so many places; each further one must bring so many terms of its own.
MOST_WINDOWS = 3
LEAST_NEW = 2
# As a term that few sentences have.
NUMBER_WEIGHT = 2.0


@dataclass(frozen=True)
class Window:
    """A sentence, itself with those it is read with, and those its pronouns may speak of."""

    core: Source
    around: Sequence[Source]
    before: Sequence[Source] = ()

    @cached_property
    def keys(self) -> frozenset[str]:
        """The terms of all of them."""
        return frozenset[str]().union(*(one.reading.keys for one in self.around))


@dataclass(frozen=True)
class Wanted:
    """What a claim asks of its passages: terms with their weights, and numbers."""

    weights: Mapping[str, float]
    numbers: Sequence[Number]

    @classmethod
    def by(cls, claim: Reading, grounds: Grounds) -> "Wanted":
        """Return what a claim asks for."""
        weights = {key: grounds.rarity(key) for key in claim.keys}
        return cls(weights, [one for one in claim.numbers if one.asked])

    def share(self, keys: Collection[str], values: Collection[str]) -> float:
        """Return the share of the weight of terms and numbers that is there; of none it is 1."""
        total = sum(self.weights.values()) + NUMBER_WEIGHT * len(self.numbers)
        there = sum(weight for key, weight in self.weights.items() if key in keys)
        met = sum(one.meets(values) for one in self.numbers)
        return (there + NUMBER_WEIGHT * met) / total if total else 1.0

    def gain(self, source: Source, known: Collection[str]) -> float:
        """Return the weight of what a sentence has that is not known yet, numbers too."""
        there = sum(self.weights[key] for key in self.new(source.reading, known))
        return there + NUMBER_WEIGHT * self._met(source.reading)

    def _met(self, reading: Reading) -> int:
        """Return how many of the numbers a text has; one asked for twice must be there twice."""
        values = reading.values
        met = [one for one in self.numbers if one.meets(values)] if values else []
        if len(met) <= 1:
            return len(met)
        there = sum(any(one.meets(other.values) for one in met) for other in reading.numbers)
        return min(len(met), there)

    def new(self, reading: Reading, known: Collection[str]) -> set[str]:
        """Return the terms that a text has and that are not known yet."""
        return {key for key in reading.keys if key in self.weights and key not in known}


def windows_of(wanted: Wanted, pool: Sequence[Source], grounds: Grounds) -> list[Window]:
    """Return the places that hold most of what is wanted, the one with most of it first."""
    found: list[Window] = []
    known: set[str] = set()
    while len(found) < MOST_WINDOWS and pool:
        core = max(pool, key=lambda one: wanted.gain(one, known) / (30 + len(one.reading.keys)))
        new = wanted.new(core.reading, known)
        if wanted.gain(core, known) <= 0 or (found and len(new) < LEAST_NEW):
            break
        found.append(Window(core, grounds.around(core), grounds.before(core)))
        known |= found[-1].keys
    return found


@dataclass(frozen=True)
class Case:
    """A claim and the passages it points to.

    `pool` are their sentences, `windows` those of them that hold most of the claim.
    """

    claim: Reading
    cited: Sequence[Passage]
    pool: Sequence[Source]
    windows: Sequence[Window]
    grounds: Grounds

    @classmethod
    def of(cls, claim: Reading, cited: Sequence[Passage], grounds: Grounds) -> "Case":
        """Lay a claim beside the passages it points to."""
        pool = grounds.holding(cited)
        windows = windows_of(Wanted.by(claim, grounds), pool, grounds)
        return cls(claim, cited, pool, windows, grounds)

    @cached_property
    def near(self) -> list[Source]:
        """The sentences of all windows, each once."""
        return list({one.id: one for window in self.windows for one in window.around}.values())

    @cached_property
    def names(self) -> list[Name]:
        """The words of names in the claim."""
        return names_of(self.claim, nouns_are_capital=self.grounds.nouns_are_capital)

    def names_in(self, source: Reading) -> list[Name]:
        """Return the words of names in a sentence of the passages."""
        return names_of(source, nouns_are_capital=self.grounds.nouns_are_capital)

    @cached_property
    def cores(self) -> list[Reading]:
        """The sentences that hold most of it, without what stands around them."""
        return [window.core.reading for window in self.windows]

    @cached_property
    def heads(self) -> list[Reading]:
        """What stands over the passages it points to."""
        return [self.grounds.head(one) for one in self.cited]

    @cached_property
    def texts(self) -> list[str]:
        """What may mean the same: the sentence that holds most of it, and each window."""
        windows = [" ".join(one.reading.text for one in window.around) for window in self.windows]
        return [*(core.text for core in self.cores[:1]), *windows]

    @cached_property
    def wording(self) -> Wording:
        """How much of what the claim says is there."""
        there = [*(one.reading for one in self.near), *self.heads]
        keys = frozenset[str]().union(*(one.keys for one in there))
        values = frozenset[str]().union(*(one.values for one in there))
        share = Wanted.by(self.claim, self.grounds).share(keys, values)
        clauses = (Wanted.by(clause, self.grounds) for clause in clauses_of(self.claim.text))
        weakest = min((clause.share(keys, values) for clause in clauses), default=share)
        return Wording(share, weakest, _unsaid(self.claim, keys))


def _unsaid(claim: Reading, keys: frozenset[str]) -> int:
    """Return how many terms in a row are not there, at most."""
    said = (word.key in keys for word in claim.words if not word.idle and not word.is_number)
    return max((len(list(run)) for there, run in groupby(said) if not there), default=0)
