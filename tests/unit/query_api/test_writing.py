"""What of a model's text is let out, when, and with which sources."""

import pytest

from services.query_api.chat_models.base import Completion, Discarded
from services.query_api.generation.answers import NOT_IN_PASSAGES, UNSUPPORTED
from services.query_api.generation.verification.verifier import Verifier
from services.query_api.generation.writing import Writing
from shared.errors import GenerationTimedOut
from tests.unit.query_api.hits import make_passages
from tests.unit.query_api.written import cited

ONE, TWO = "[Source: 1.pdf, page 1]", "[Source: 2.pdf, page 2]"
TEXTS = ("The mast is made of oak. It stands aft.", "The sail is made of white linen.")
PASSAGES = make_passages(*TEXTS)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The mast is made of oak [1].", f"The mast is made of oak {ONE}."),
        ("The mast is made of oak[1].", f"The mast is made of oak {ONE}."),
        ("The mast is made of oak. [1]", f"The mast is made of oak. {ONE}"),
        ("The mast is made of oak [1][9].", f"The mast is made of oak {ONE}."),
        ("The mast is made of oak [1][1].", f"The mast is made of oak {ONE}."),
        (
            "The mast is made of oak [1], the sail of linen [2].",
            f"The mast is made of oak {ONE}, the sail of linen {TWO}.",
        ),
    ],
)
async def test_markers_become_sources(said: str, shown: str) -> None:
    assert (await cited(said, PASSAGES)).text == shown


async def test_a_claim_quotes_the_sentence_it_rests_on() -> None:
    (claim,) = (await cited("They made the mast of oak [1].", PASSAGES)).claims
    assert claim.quote == "The mast is made of oak."
    assert claim.passage is PASSAGES[0]
    assert claim.text == "They made the mast of oak."


async def test_sources_stand_once_in_the_order_of_use() -> None:
    said = "The sail is of linen [2]. The mast is of oak [1]. The sail is white [2]."
    assert (await cited(said, PASSAGES)).sources == [TWO, ONE]


async def test_white_space_stays_between_what_is_let_out() -> None:
    said = " \nThe mast is of oak [1].\n\n- The sail is of linen [2].\n"
    assert (await cited(said, PASSAGES)).text == (
        f"The mast is of oak {ONE}.\n\n- The sail is of linen {TWO}."
    )


async def test_of_an_answer_that_was_cut_short_the_half_sentence_is_left_out() -> None:
    writing = Writing(PASSAGES, Verifier(PASSAGES).check, whole=True, marks=False)
    await writing.add("The mast is of oak [1]. The sail is of li [2]")
    assert await writing.add(Completion("a-model", cut=True)) == ""
    assert writing.text == f"The mast is of oak {ONE}."


async def test_another_model_begins_anew_while_nothing_is_shown() -> None:
    failure = Discarded(GenerationTimedOut())
    writing = Writing(PASSAGES, Verifier(PASSAGES).check, whole=False, marks=False)
    assert await writing.add("The mast") == ""
    assert await writing.add(failure) == ""
    assert await writing.add("The sail is of linen [2].") == f"The sail is of linen {TWO}."
    with pytest.raises(GenerationTimedOut):
        await writing.add(failure)


async def test_a_whole_answer_may_begin_anew_at_any_time() -> None:
    writing = Writing(PASSAGES, Verifier(PASSAGES).check, whole=True, marks=False)
    await writing.add("The sail is of linen [2].")
    await writing.add(Discarded(GenerationTimedOut()))
    assert (writing.text, writing.claims) == ("", {})


async def test_what_no_passage_holds_up_is_left_out_or_marked() -> None:
    said = "The mast is made of oak [1]. The mast is 40 metres high [1]."
    held = f"The mast is made of oak {ONE}."
    assert (await cited(said, PASSAGES)).text == held
    marked = await cited(said, PASSAGES, marks=True)
    assert marked.text == f"{held} The mast is 40 metres high. {UNSUPPORTED}"
    assert len(marked.claims) == 1


async def test_what_states_nothing_goes_with_the_next_that_is_let_out() -> None:
    intro = "This is what the passages say:\n\n"
    said = f"{intro}- The sail is made of linen [2].\n\nI hope that is of help!"
    assert (await cited(said, PASSAGES)).text == f"{intro}- The sail is made of linen {TWO}."
    assert (await cited(intro + "- The sail is 40 metres high [2].", PASSAGES)).text == ""


async def test_a_model_that_finds_nothing_says_nothing_of_it() -> None:
    found = await cited(f"The sail is made of linen [2]. {NOT_IN_PASSAGES}", PASSAGES)
    assert found.text == f"The sail is made of linen {TWO}."
