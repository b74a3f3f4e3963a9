"""The few sentences that hold most of what a claim says, each with what stands around it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.query_api.generation.verification.grounds import Grounds, Source
from services.query_api.generation.verification.numbers import Number
from services.query_api.generation.verification.readings import Reading

# A claim may put together so many places; each further one must bring so many terms of its own.
MOST_WINDOWS = 3
LEAST_NEW = 2


@dataclass(frozen=True)
class Window:
    """A sentence, and itself with those it is read with."""

    core: Source
    around: Sequence[Source]

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

    @property
    def total(self) -> float:
        """The weight of all terms."""
        return sum(self.weights.values())

    def share(self, keys: Collection[str]) -> float:
        """Return the share of the terms' weight that is there; of no terms at all it is 1."""
        there = sum(weight for key, weight in self.weights.items() if key in keys)
        return there / self.total if self.weights else 1.0

    def gain(self, source: Source, known: Collection[str]) -> float:
        """Return the weight of what a sentence has that is not known yet, numbers too."""
        there = sum(self.weights[key] for key in self.new(source.reading, known))
        values = source.reading.values
        return there + sum(2.0 for one in self.numbers if values and one.meets(values))

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
        found.append(Window(core, grounds.around(core)))
        known |= found[-1].keys
    return found
