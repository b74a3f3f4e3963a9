import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.markers import resolve
from services.query_api.generation.passages import numbered
from tests.unit.query_api.hits import make_hit, make_passages

ONE, TWO = "[Source: 1.pdf, page 1]", "[Source: 2.pdf, page 2]"
TEXTS = ("The mast is made of oak. It stands aft.", "The sail is white.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The mast is oak [1].", f"The mast is oak {ONE}."),
        ("The mast is oak[1].", f"The mast is oak {ONE}."),
        ("The mast is oak. [1]", f"The mast is oak. {ONE}"),
        ("Oak and white [1, 2].", f"Oak and white {ONE} {TWO}."),
        ("Oak and white [1][2].", f"Oak and white {ONE} {TWO}."),
        ("Oak and white [1-2].", f"Oak and white {ONE} {TWO}."),
        ("Oak [Passage 1].", f"Oak {ONE}."),
        ("Oak \u30101\u2020source\u3011.", f"Oak {ONE}."),
        ("Oak [1][1].", f"Oak {ONE}."),
        (f"Oak {ONE}.", f"Oak {ONE}."),
        ("[1] says oak.", f"{ONE} says oak."),
    ],
)
def test_markers_become_sources(said: str, shown: str) -> None:
    assert resolve(said, make_passages(*TEXTS)).text == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The mast is oak [9].", "The mast is oak."),
        ("Oak [1][9].", f"Oak {ONE}."),
        ("Oak [0].", "Oak."),
        ("Oak [Source: invented.pdf, page 7].", "Oak."),
        ("Oak [Source: 1.pdf, page 99].", "Oak."),
    ],
)
def test_a_marker_of_no_passage_never_gets_out(said: str, shown: str) -> None:
    assert resolve(said, make_passages(*TEXTS)).text == shown


def test_a_claim_quotes_the_sentence_it_rests_on() -> None:
    passages = make_passages(*TEXTS)
    (claim,) = resolve("They built the mast of oak [1].", passages).claims
    assert claim.quote == "The mast is made of oak."
    assert claim.passage is passages[0]
    assert claim.text == "They built the mast of oak."


def test_sources_stand_once_in_the_order_of_use() -> None:
    cited = resolve("White [2]. Oak [1]. White again [2].", make_passages(*TEXTS))
    assert cited.sources == [TWO, ONE]


def test_support_is_the_share_of_sentences_with_a_source() -> None:
    passages = make_passages(*TEXTS)
    assert resolve("Oak [1]. White [2].", passages).support == 1
    assert resolve("Oak. [1] White. [2]", passages).support == 1
    assert resolve("Oak [1]. I think so.", passages).support == 0.5
    assert resolve("I think so.", passages).support == 0
    assert resolve("", passages).support == 0


@given(st.text(alphabet="ab .[]12390,-S:ource\n"))
def test_whatever_the_model_writes_only_given_sources_get_out(said: str) -> None:

    passages = numbered([make_hit(TEXTS[0], filename="1.pdf")])
    cited = resolve(said, passages)
    assert 0 <= cited.support <= 1
    assert "[2]" not in cited.text
    assert cited.text.count("[Source: ") <= len(said)
    assert all(claim.quote in claim.passage.text for claim in cited.claims)
