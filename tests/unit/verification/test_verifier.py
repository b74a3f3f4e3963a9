import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.verification.verdicts import Outcome, Reason
from services.query_api.generation.verification.verifier import Verifier
from tests.unit.query_api.hits import make_passages

LEAVE = "Staff have 26 days of vacation. Parental leave is 16 weeks. Dogs are welcome in Lisbon."
PARKING = "Cars are parked behind the house. The yard in Porto has 40 places for visitors."


async def test_what_a_passage_says_is_held_up_by_the_span_that_says_it() -> None:
    passages = make_passages(LEAVE, PARKING)
    verdict = await Verifier(passages).check("Parental leave lasts sixteen weeks.", passages[:1])
    assert verdict.supported
    assert [one.quote for one in verdict.evidence] == ["Parental leave is 16 weeks."]


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("Parental leave is 18 weeks.", Reason.NUMBER),
        ("Parental leave is 26 weeks.", Reason.NUMBER),
        ("Dogs are welcome in Madrid.", Reason.NAME),
        ("Lunch is served by volunteers.", Reason.UNLIKE),
        ("Dogs are not welcome in Lisbon.", Reason.NEGATED),
    ],
)
async def test_what_it_does_not_say_is_not(sentence: str, why: Reason) -> None:
    passages = make_passages(LEAVE, PARKING)
    verdict = await Verifier(passages).check(sentence, passages[:1])
    assert (verdict.outcome, verdict.why) == (Outcome.UNSUPPORTED, why)
    assert not verdict.evidence


async def test_a_marker_of_the_wrong_passage_is_a_false_claim() -> None:
    passages = make_passages(LEAVE, PARKING)
    verdict = await Verifier(passages).check("Parental leave is 16 weeks.", passages[1:])
    assert verdict.outcome is Outcome.UNSUPPORTED


async def test_without_a_marker_the_passage_that_says_it_is_found() -> None:
    passages = make_passages(PARKING, LEAVE)
    verdict = await Verifier(passages).check("Parental leave is 16 weeks.")
    assert [one.passage.number for one in verdict.evidence] == [2]


async def test_a_sentence_may_rest_on_two_passages_together() -> None:
    passages = make_passages(LEAVE, PARKING)
    both = "Parental leave is 16 weeks, and visitors find 40 places in the yard in Porto."
    verdict = await Verifier(passages).check(both, passages)
    assert {one.passage.number for one in verdict.evidence} == {1, 2}


async def test_a_marker_that_adds_nothing_has_no_evidence() -> None:
    passages = make_passages(LEAVE, PARKING)
    verdict = await Verifier(passages).check("Parental leave is 16 weeks.", passages)
    assert [one.passage.number for one in verdict.evidence] == [1]


async def test_a_second_passage_that_says_the_same_is_evidence_too() -> None:
    passages = make_passages(LEAVE, "Handbook: parental leave lasts 16 weeks in all countries.")
    verdict = await Verifier(passages).check("Parental leave is 16 weeks.", passages)
    assert {one.passage.number for one in verdict.evidence} == {1, 2}


@pytest.mark.parametrize("sentence", ["Yes.", "Here is what they say:", "## Details:", "***", ""])
async def test_a_sentence_that_says_nothing_is_not_judged(sentence: str) -> None:
    verdict = await Verifier(make_passages(LEAVE)).check(sentence)
    assert verdict.outcome is Outcome.NOTHING_TO_CHECK


async def test_without_passages_nothing_is_held_up() -> None:
    verdict = await Verifier([]).check("Parental leave is 16 weeks.")
    assert verdict.why is Reason.NO_PASSAGE


@given(st.text(max_size=300), st.lists(st.text(max_size=300), max_size=3))
async def test_any_text_is_judged_and_quotes_are_exact(sentence: str, texts: list[str]) -> None:
    passages = make_passages(*texts)
    for cited in (passages, ()):
        verdict = await Verifier(passages).check(sentence, cited)
        assert 0 <= verdict.support <= 1
        assert bool(verdict.evidence) == verdict.supported
        assert all(one.quote and one.quote in one.chunk.text for one in verdict.evidence)


ODD = "The 16 1,200 weeks Ana Ferreira not 2024-13-45 25:61 1.2.3 P-204 | - ( %"
WORD = st.sampled_from(ODD.split())


@given(st.lists(WORD, max_size=12), st.lists(WORD, max_size=40))
async def test_odd_numbers_and_names_are_judged(said: list[str], there: list[str]) -> None:
    passages = make_passages(" ".join(there))
    verdict = await Verifier(passages).check(" ".join(said), passages)
    assert 0 <= verdict.support <= 1


async def test_a_number_that_is_said_twice_is_looked_for_where_it_stands_twice() -> None:
    lines = " ".join(f"Entry 5-{at}: the ship took on 230 barrels." for at in range(1, 9))
    check = Verifier(make_passages(lines)).check
    verdict = await check("According to entry 5-5 the ship took on 230 barrels.")
    assert verdict.supported
    assert verdict.evidence[0].quote.startswith("Entry 5-5")
