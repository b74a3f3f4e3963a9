"""Passages of several chunks: merged, joined, and cited by the chunk that holds the quote."""

from dataclasses import replace
from uuid import uuid4

from services.query_api.generation.extractive import extract
from services.query_api.generation.passages import Passage, numbered
from services.query_api.retrieval.hits import Context, Hit
from tests.unit.query_api.hits import make_hit
from tests.unit.query_api.written import cited

VERSION = uuid4()
REPEATED = "The keel of the ship is made of lead."
TEXTS = (
    f"The hull is oak. {REPEATED}",
    f"{REPEATED} The mast is pine.",
    "The sails are made of linen.",
    "The anchor weighs two tons.",
    "The crew has forty sailors.",
)


def hit_at(ordinal: int, score: float = 0.9, *section: str) -> Hit:
    return make_hit(
        TEXTS[ordinal],
        filename="ship.pdf",
        page=ordinal + 1,
        score=score,
        version_id=VERSION,
        ordinal=ordinal,
        section=section,
    )


def widened(ordinal: int) -> Hit:
    """Return a hit with a chunk on either side."""
    before, after = ((hit_at(at).chunk,) for at in (ordinal - 1, ordinal + 1))
    return replace(hit_at(ordinal), context=Context(before, after))


def ordinals(passages: list[Passage]) -> list[list[int]]:
    return [[chunk.ordinal for chunk in passage.chunks] for passage in passages]


def test_hits_side_by_side_share_a_passage_in_the_place_of_the_best() -> None:
    other = make_hit("Another ship.")
    passages = numbered([hit_at(3), other, hit_at(1), hit_at(0)])
    assert ordinals(passages) == [[3], [0], [0, 1]]
    assert [passage.number for passage in passages] == [1, 2, 3]
    assert [hit.chunk.ordinal for hit in passages[2].hits] == [1, 0]
    assert passages[2].text.count(REPEATED) == 1
    assert passages[2].text.startswith("The hull")
    assert passages[2].text.endswith("pine.")


def test_a_hit_between_two_others_makes_them_one() -> None:
    assert ordinals(numbered([hit_at(1), hit_at(3), hit_at(2)])) == [[1, 2, 3]]


def test_hits_of_two_versions_are_never_one() -> None:
    strange = make_hit(TEXTS[1], ordinal=1)
    assert len(numbered([hit_at(0), strange])) == 2


def test_contexts_that_meet_are_one_passage() -> None:
    passages = numbered([widened(1), widened(3)])
    assert ordinals(passages) == [[0, 1, 2, 3, 4]]
    assert passages[0].text == "\n\n".join((f"{TEXTS[0]} The mast is pine.", *TEXTS[2:]))


def test_a_passage_stands_under_the_titles_that_all_of_it_has() -> None:
    parts = [hit_at(0, 0.9, "Ship", "Hull"), hit_at(1, 0.9, "Ship", "Mast")]
    assert numbered(parts)[0].section == ["Ship"]
    assert numbered(parts[:1])[0].section == ["Ship", "Hull"]


async def test_a_quote_from_a_neighbour_names_the_neighbours_chunk_and_page() -> None:
    passages = numbered([widened(3)])
    found = await cited("The sails are of linen [1].", passages)
    [claim] = found.claims
    assert claim.chunk.ordinal == 2
    assert (claim.quote, claim.page, claim.score) == (TEXTS[2], 3, 0.9)
    assert found.text == "The sails are of linen [Source: ship.pdf, page 3]."


async def test_what_two_chunks_have_is_quoted_from_the_better_one() -> None:
    passages = numbered([hit_at(1, 0.8), hit_at(0, 0.5)])
    for found in (
        extract("What is the keel made of?", passages),
        await cited("The keel is made of lead [1].", passages),
    ):
        assert [(claim.chunk.ordinal, claim.score) for claim in found.claims] == [(1, 0.8)]


def test_an_extract_speaks_of_the_neighbours_too() -> None:
    cited = extract("How many sailors has the crew?", numbered([widened(3)]))
    assert [(claim.chunk.ordinal, claim.page) for claim in cited.claims] == [(4, 5)]
