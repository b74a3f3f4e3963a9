"""Statements with the passages they are marked with: true ones, and false ones of known kinds.

Nothing here knows how statements are checked. The same seed makes the same statements.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from made_false import (
    another_value,
    denied,
    names_in,
    numbers_in,
    other_name,
    other_number,
    with_invented_clause,
    with_unsaid_attribute,
)
from made_true import answered, in_other_words, plain_sentences
from squad import Asked, Shelf, Squad, is_held_out

from services.query_api.generation.sentences import spans

PASSAGES = 5


@dataclass(frozen=True, slots=True)
class Planted:
    """A statement of a kind, such as `true: verbatim`; `marked` is the paragraph it points to.

    `paragraphs` are all that were found for its question.
    """

    kind: str
    text: str
    paragraphs: Sequence[str]
    marked: str
    held_out: bool


class Garden:
    """Makes statements of every kind from a question."""

    def __init__(self, squad: Squad, seed: int) -> None:
        """Take the set and the dice."""
        self._squad = squad
        self._shelf = Shelf(squad)
        self._draw = random.Random(seed)  # noqa: S311 - no secret

    @property
    def shelf(self) -> Shelf:
        """The paragraphs as passages."""
        return self._shelf

    @cached_property
    def _all_names(self) -> list[str]:
        return sorted({name for text in self._squad.texts.values() for name in names_in(text)})

    def of(self, asked: Asked) -> Iterator[Planted]:
        """Yield the statements made of one question."""
        text = self._squad.texts[asked.paragraph]
        said = plain_sentences(text[start:end] for start, end in spans(text))
        holding = [one for one in said if any(answer in one for answer in asked.answers)]
        stated = answered(asked.text, min(asked.answers, key=len))
        found = self._found(asked)
        base = [*holding[:1], *([stated] if stated else [])]
        made = [
            *(("true: verbatim", one) for one in holding[:1]),
            *([("true: question and answer", stated)] if stated else []),
            *(("true: other words", one) for one in map(in_other_words, holding[:1]) if one),
            *((f"negation: {how}", one) for how, one in self._denied(holding, stated)),
            *(pair for one in base for pair in self._false(one, text)),
            *self._of_another_article(asked),
            *(
                ("unsupported: attribute", one)
                for one in [with_unsaid_attribute(text, self._draw)]
                if one
            ),
        ]
        held_out = is_held_out(self._squad.titles[asked.paragraph])
        for kind, statement in made:
            yield Planted(kind, statement, found, asked.paragraph, held_out)
        for how, paragraph in self._wrong(asked, found, base):
            for one in base:
                yield Planted(f"wrong passage: {how}", one, found, paragraph, held_out)

    def _found(self, asked: Asked) -> list[str]:
        others = [one for one in self._shelf.nearest(asked.text) if one != asked.paragraph]
        beside = [one for one in others if self._same_article(one, asked.paragraph)]
        found = list(dict.fromkeys([*beside[:2], *others]))[: PASSAGES - 1]
        found.insert(self._draw.randrange(len(found) + 1), asked.paragraph)
        return found

    def _same_article(self, one: str, other: str) -> bool:
        return self._squad.titles[one] == self._squad.titles[other]

    def _denied(self, holding: Sequence[str], stated: str | None) -> Iterator[tuple[str, str]]:
        for how, one in (*(("verbatim", one) for one in holding[:1]), ("stated", stated)):
            if one and (made := denied(one)):
                yield how, made

    def _false(self, statement: str, text: str) -> Iterator[tuple[str, str]]:
        draw = self._draw
        numbers, names = numbers_in(text), names_in(text)
        for kind, made in (
            ("number: another value", self._new_value(statement, numbers)),
            ("number: of the passage", other_number(statement, numbers, draw)),
            ("entity: of the passage", other_name(statement, names, draw)),
            ("entity: from elsewhere", other_name(statement, self._elsewhere(text), draw)),
            ("unsupported: clause", with_invented_clause(statement, draw)),
        ):
            if made is not None and made != statement:
                yield kind, made

    def _new_value(self, statement: str, numbers: Sequence[str]) -> str | None:
        made = another_value(statement, self._draw)
        return None if made is None or set(numbers_in(made)) <= set(numbers) else made

    def _elsewhere(self, text: str) -> list[str]:
        drawn = self._draw.sample(self._all_names, 30)
        return [one for one in drawn if all(word not in text for word in one.split())]

    def _of_another_article(self, asked: Asked) -> Iterator[tuple[str, str]]:
        others = [
            one
            for one in self._draw.sample(list(self._squad.texts), 5)
            if not self._same_article(one, asked.paragraph)
        ]
        for one in others[:1]:
            text = self._squad.texts[one]
            for said in plain_sentences(text[start:end] for start, end in spans(text))[:1]:
                yield "unsupported: another article", said

    def _wrong(
        self, asked: Asked, found: Sequence[str], base: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        lacking = [
            one
            for one in found
            if one != asked.paragraph
            and not any(answer in self._squad.texts[one] for answer in asked.answers)
        ]
        same = [one for one in lacking if self._same_article(one, asked.paragraph)]
        other = [one for one in lacking if one not in same]
        if same and base:
            yield "same article", same[0]
        if other and base:
            yield "another article", other[0]


def planted(squad: Squad, most: int, seed: int) -> tuple[Garden, list[Planted]]:
    """Return statements made of at most so many questions, and where their passages stand."""
    garden = Garden(squad, seed)
    draw = random.Random(seed)  # noqa: S311 - no secret
    asked = draw.sample(list(squad.questions), min(most, len(squad.questions)))
    return garden, [one for question in asked for one in garden.of(question)]
