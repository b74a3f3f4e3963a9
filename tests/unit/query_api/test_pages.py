"""A citation names the page its quote stands on, not where its chunk begins."""

from services.query_api.generation.extractive import extract
from services.query_api.generation.passages import numbered
from tests.unit.query_api.hits import make_hit
from tests.unit.query_api.written import cited

TEXT = "The mast is oak.\n\nThe keel is lead."
HIT = make_hit(TEXT, filename="ship.pdf", page=7, page_turns=((TEXT.index("The keel"), 8),))


async def test_a_marker_becomes_the_page_of_what_it_supports() -> None:
    found = await cited("The keel is lead [1]. The mast is oak [1].", numbered([HIT]))
    assert found.sources == ["[Source: ship.pdf, page 8]", "[Source: ship.pdf, page 7]"]
    assert [claim.page for claim in found.claims] == [8, 7]
    assert found.text == (
        "The keel is lead [Source: ship.pdf, page 8]. The mast is oak [Source: ship.pdf, page 7]."
    )


def test_an_extract_names_the_page_of_its_sentence() -> None:
    assert extract("What is the keel of?", numbered([HIT])).sources == [
        "[Source: ship.pdf, page 8]"
    ]


async def test_a_source_the_model_wrote_itself_gives_way_to_the_true_one() -> None:
    found = await cited("The keel is lead [Source: ship.pdf, page 9].", numbered([HIT]))
    assert found.text == "The keel is lead [Source: ship.pdf, page 8]."
