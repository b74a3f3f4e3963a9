"""Numbers and names of a claim, each looked for where the rest of the claim stands."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby

from services.query_api.generation.verification.alignment import Gap, exchanged
from services.query_api.generation.verification.cases import Case, Window
from services.query_api.generation.verification.grounds import Source
from services.query_api.generation.verification.names import Name, in_words, is_initials
from services.query_api.generation.verification.numbers import Number
from services.query_api.generation.verification.places import Spot, nearest, numbers_in
from services.query_api.generation.verification.polarity import contradict
from services.query_api.generation.verification.readings import Reading, Word
from services.query_api.generation.verification.thresholds import LIMITS, Rival
from services.query_api.generation.verification.verdicts import Reason

_PRONOUNS = frozenset({"he", "she", "it", "they", "his", "her", "its", "their", "this", "these"})
Fits = Callable[[Number], bool]


def falsehood(case: Case) -> Reason | None:
    """Tell of a number or a name that is not there or stands in another's place, or of a denial."""
    if any(_is_wrong_number(one, case) for one in case.claim.numbers if one.asked):
        return Reason.NUMBER
    if _has_wrong_code(case) or _has_wrong_name(case):
        return Reason.NAME
    if (why := _exchanged(case)) is not None:
        return why
    if contradict(case.claim, case.cores[0], [one.reading for one in case.near]):
        return Reason.NEGATED
    return None


def _exchanged(case: Case) -> Reason | None:
    """Tell of a number or name that stands where the source has another, in the same words."""
    if not (case.names or case.claim.numbers):
        return None
    window = case.windows[0]
    core = window.core.reading
    theirs = [name for name in case.names_in(core) if name.sure]
    for gap in exchanged(case.claim, core):
        if _is_other_number(case.claim, core, gap):
            return Reason.NUMBER
        others = [name for name in case.names if _is_other_name(name, theirs, gap)]
        if any(not _is_acronym(name, core) for name in others):
            return Reason.NAME
    return None


def _is_other_name(name: Name, theirs: Iterable[Name], gap: Gap) -> bool:
    if not name.sure or name.place not in gap.said:
        return False
    among = [one for one in theirs if one.place in gap.there]
    if in_words(name.folded, [one.folded for one in among]):
        return False
    return any(gap.are_level(name.place, one.place) for one in among)


def _is_other_number(claim: Reading, source: Reading, gap: Gap) -> bool:
    mine = [one for one in numbers_in(claim, gap.said) if one.asked]
    other = [value for one in numbers_in(source, gap.there) for value in one.values]
    return bool(other) and any(not one.meets(other) for one in mine)


def _is_wrong_number(number: Number, case: Case) -> bool:
    own = list(_number_spots(case.pool, lambda one: _is_meant(number, one)))
    if not own:
        return not any(number.meets(head.values) for head in case.heads)
    spot = Spot.of_span(case.claim, number.start, number.end)
    in_core = any(number.meets(one.values) for one in case.cores)
    # What stands in the very sentence can be mistaken for its like only.
    rivals = _number_spots(
        case.near, lambda one: _is_unsaid(one, case) and (not in_core or one.kind == number.kind)
    )
    if not in_core:
        return nearest(spot, rivals) > LIMITS.stranger * nearest(spot, own)
    return _is_outdone(nearest(spot, own), nearest(spot, rivals), LIMITS.number)


def _is_outdone(own: float, rival: float, by: Rival) -> bool:
    return rival > by.times * own + by.margin


def _is_meant(number: Number, other: Number) -> bool:
    # A share is no count: `15 percent` are not `15 metres`.
    return (number.kind == "share") == (other.kind == "share") and number.meets(other.values)


def _is_unsaid(number: Number, case: Case) -> bool:
    """Tell a number that the claim does not say, or not as often as one of the cores."""
    said = sum(not one.values.isdisjoint(number.values) for one in case.claim.numbers)
    there = max(
        (sum(one.values == number.values for one in core.numbers) for core in case.cores),
        default=0,
    )
    return there > said or not said


def _number_spots(sources: Iterable[Source], fits: Fits) -> Iterator[Spot]:
    for source in sources:
        for number in source.reading.numbers:
            if fits(number):
                yield Spot.of_span(source.reading, number.start, number.end)


def _has_wrong_code(case: Case) -> bool:
    """Tell of an identifier that is nowhere as a whole: `payments.write`, `E-1307`."""
    return any(
        not any(code in one.codes for one in (*(one.reading for one in case.pool), *case.heads))
        for code in case.claim.codes
    )


def _has_wrong_name(case: Case) -> bool:
    names = case.names
    rivals = list(_rivals(case, [name.folded for name in names])) if names else []
    runs = groupby(names, lambda name: Spot.of_name(case.claim, name.place).first)
    return any(_is_wrong_run(list(run), case, rivals) for _, run in runs)


def _rivals(case: Case, said: Collection[str]) -> Iterator[Spot]:
    """Yield where names stand in the cores that the claim does not say."""
    for window in case.windows:
        for name in case.names_in(window.core.reading):
            if name.sure and not in_words(name.folded, said):
                yield Spot.of_name(window.core.reading, name.place)


def _is_wrong_run(run: Sequence[Name], case: Case, rivals: Sequence[Spot]) -> bool:
    """Judge a name of one or more words, such as a first name and a last name."""
    spot = Spot.of_name(case.claim, run[0].place)
    known = [name for name in run if _is_there(name, case.pool)]
    if any(_is_missing(name, case, spot, rivals) for name in run if name not in known):
        return True
    named = any(name.sure or _is_known(name, case) for name in known)
    if not named or any(_is_short_for_some(run, core) for core in case.cores):
        return False
    own, most = _together(known, case.pool)
    if most < len(known):
        # Words that never stand together are no name: each is judged by itself.
        return _is_torn(run, case) or any(_is_wrong_run([name], case, rivals) for name in known)
    if any(_has(core, known[-1]) for core in case.cores):
        return _is_outdone(nearest(spot, own), nearest(spot, rivals), LIMITS.name)
    if any(_stands_over(name, case) for name in known):
        return False
    return _is_stranger(spot, own, case, rivals)


def _is_torn(run: Sequence[Name], case: Case) -> bool:
    """Tell a name of which a word always goes on otherwise: of `Ana Ferreira` made `Ana Costa`."""
    said = [name.folded for name in case.names]
    for name in run[:-1]:
        after = [_next_name(source.reading, at) for source, at in _places_of(name, case.pool)]
        if after and all(word and not in_words(word.folded, said) for word in after):
            return True
    return False


def _next_name(reading: Reading, place: int) -> Word | None:
    """Return the word after one if both are capital."""
    behind = Spot.of_name(reading, place).last > place
    return reading.words[place + 1] if behind else None


def _is_missing(name: Name, case: Case, spot: Spot, rivals: Sequence[Spot]) -> bool:
    if _stands_over(name, case) or _is_short_for(name, case):
        return False
    return name.sure or nearest(spot, rivals) > LIMITS.capital


def _is_stranger(spot: Spot, own: Sequence[Spot], case: Case, rivals: Sequence[Spot]) -> bool:
    """Tell whether a name from elsewhere in the passage has no business where the claim has it.

    It has if the sentence speaks of it by a pronoun.
    """
    fits, outdone = nearest(spot, own), nearest(spot, rivals)
    if any(_speaks_of(window, own) for window in case.windows):
        return _is_outdone(fits, outdone, LIMITS.name)
    return fits < LIMITS.fits or outdone > LIMITS.stranger * fits


def _speaks_of(window: Window, own: Sequence[Spot]) -> bool:
    """Tell whether a core may mean, by a pronoun, what is named just before it."""
    if _PRONOUNS.isdisjoint(window.core.reading.folded):
        return False
    before = [one.reading for one in window.before]
    return any(spot.reading is one for spot in own for one in before)


def _together(run: Sequence[Name], pool: Iterable[Source]) -> tuple[list[Spot], int]:
    """Return where the most words of a name stand together, and how many."""
    found: dict[tuple[int, int], tuple[int, Spot]] = {}
    for name in run:
        for spot in _spots_of(name, pool):
            key = (id(spot.reading), spot.first)
            found[key] = (found.get(key, (0, spot))[0] + 1, spot)
    most = max((count for count, _ in found.values()), default=0)
    return [spot for count, spot in found.values() if count == most], most


def _has(reading: Reading, name: Name) -> bool:
    return in_words(name.folded, reading.folded)


def _is_there(name: Name, pool: Iterable[Source]) -> bool:
    return any(_has(source.reading, name) for source in pool)


def _is_known(name: Name, case: Case) -> bool:
    """Tell a word at the beginning of the claim that is a name elsewhere."""
    return any(
        one.sure and one.folded == name.folded
        for source in case.pool
        if name.folded in source.reading.folded
        for one in case.names_in(source.reading)
    )


def _spots_of(name: Name, pool: Iterable[Source]) -> Iterator[Spot]:
    for source, place in _places_of(name, pool):
        yield Spot.of_name(source.reading, place)


def _places_of(name: Name, pool: Iterable[Source]) -> Iterator[tuple[Source, int]]:
    for source in pool:
        if _has(source.reading, name):
            for place, word in enumerate(source.reading.words):
                if in_words(name.folded, (word.folded,)):
                    yield source, place


def _stands_over(name: Name, case: Case) -> bool:
    return any(in_words(name.folded, head.folded) for head in case.heads)


def _is_short_for_some(run: Sequence[Name], there: Reading) -> bool:
    """Tell an acronym of words that are there, or a name of which the acronym is: `EU`."""
    if len(run) == 1:
        return _is_acronym(run[0], there)
    short = "".join(name.word.text[0] for name in run)
    return any(word.text == short for word in there.words)


def _is_acronym(name: Name, there: Reading) -> bool:
    """Tell an acronym of words that are there."""
    folded = [word.folded for word in there.words] if name.word.text.isupper() else []
    return is_initials(name.folded, folded)


def _is_short_for(name: Name, case: Case) -> bool:
    """Tell an acronym of words that are there, or a word of which only the acronym is."""
    if name.word.text.isupper():
        return any(_is_acronym(name, one.reading) for one in case.near)
    initials = "".join(one.folded[0] for one in case.names)
    return any(
        word.text.isupper()
        and len(word.text) > 1
        and word.text.lower() in initials
        and name.folded[0] in word.text.lower()
        for one in case.near
        for word in one.reading.words
    )
