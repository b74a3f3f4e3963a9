"""Numbers and names of a claim, each looked for where the rest of the claim stands."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.query_api.generation.verification.grounds import Grounds, Source
from services.query_api.generation.verification.names import (
    Name,
    in_words,
    is_initials,
    names_of,
)
from services.query_api.generation.verification.numbers import Number
from services.query_api.generation.verification.places import nearest, place_at
from services.query_api.generation.verification.readings import Reading
from services.query_api.generation.verification.thresholds import LIMITS
from services.query_api.generation.verification.verdicts import Reason
from services.query_api.generation.verification.windows import Window

Place = tuple[Reading, int]
Fits = Callable[[Number], bool]


@dataclass(frozen=True)
class Case:
    """A claim, the sentences it may rest on, and those of them that hold most of it."""

    claim: Reading
    pool: Sequence[Source]
    windows: Sequence[Window]
    grounds: Grounds

    @property
    def near(self) -> list[Source]:
        """The sentences of all windows, each once."""
        return list({one.id: one for window in self.windows for one in window.around}.values())

    @property
    def heads(self) -> list[Reading]:
        """What stands over the passages of the pool."""
        passages = {one.passage.number: one.passage for one in self.pool}
        return [self.grounds.head(one) for one in passages.values()]


def wrong_figure(case: Case) -> Reason | None:
    """Tell of a number or a name that is not there, or another's place."""
    if any(_is_wrong_number(one, case) for one in case.claim.numbers if one.asked):
        return Reason.NUMBER
    if _has_wrong_name(case):
        return Reason.NAME
    return None


def _is_wrong_number(number: Number, case: Case) -> bool:
    holders = [one for one in case.pool if number.meets(one.reading.values)]
    if not holders:
        return not any(number.meets(head.values) for head in case.heads)
    at = place_at(case.claim, number.start)
    own = nearest(case.claim, at, _number_places(holders, lambda one: number.meets(one.values)))
    said = {value for one in case.claim.numbers for value in one.values}
    others = _number_places(
        case.near,
        lambda one: one.values.isdisjoint(said) and one.kind == number.kind,
    )
    near = {one.id for one in case.near}
    if own == 0 and not any(one.id in near for one in holders):
        return True
    return nearest(case.claim, at, others) > LIMITS.number_rival * own


def _number_places(sources: Iterable[Source], fits: Fits) -> Iterator[Place]:
    for source in sources:
        for number in source.reading.numbers:
            if fits(number):
                yield source.reading, place_at(source.reading, number.start)


def _has_wrong_name(case: Case) -> bool:
    names = names_of(case.claim)
    said = [name.folded for name in names]
    rivals = list(_rivals(case, said)) if names else []
    return any(_is_wrong_name(name, case, rivals) for name in names)


def _rivals(case: Case, said: Sequence[str]) -> Iterator[Place]:
    """Yield where names stand in the cores that the claim does not say."""
    for window in case.windows:
        for name in names_of(window.core.reading):
            if name.sure and not in_words(name.folded, said):
                yield window.core.reading, name.place


def _is_wrong_name(name: Name, case: Case, rivals: Sequence[Place]) -> bool:
    places = list(_places_of(name, case.pool))
    if not places:
        if _stands_over(name, case) or _is_short_for(name, case):
            return False
        return name.sure or nearest(case.claim, name.place, rivals) > 0
    own = nearest(case.claim, name.place, places)
    return nearest(case.claim, name.place, rivals) > LIMITS.name_rival * own


def _places_of(name: Name, pool: Iterable[Source]) -> Iterator[Place]:
    for source in pool:
        if in_words(name.folded, source.reading.folded):
            for place, word in enumerate(source.reading.words):
                if in_words(name.folded, (word.folded,)):
                    yield source.reading, place


def _stands_over(name: Name, case: Case) -> bool:
    return any(in_words(name.folded, head.folded) for head in case.heads)


def _is_short_for(name: Name, case: Case) -> bool:
    """Tell an acronym of words that are there, or a word of which only the acronym is."""
    lowered = [[word.folded for word in one.reading.words] for one in case.near]
    if name.word.text.isupper():
        return any(is_initials(name.folded, words) for words in lowered)
    after = [one.folded[0] for one in names_of(case.claim)]
    initials = "".join(after)
    return any(
        word.text.isupper()
        and len(word.text) > 1
        and word.text.lower() in initials
        and name.folded[0] in word.text.lower()
        for one in case.near
        for word in one.reading.words
    )
