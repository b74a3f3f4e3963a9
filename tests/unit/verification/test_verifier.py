import pytest

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
    assert not (await Verifier(passages).check("Parental leave is 16 weeks.", passages[1:])).kept


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


@pytest.mark.parametrize("sentence", ["Yes.", "Here is what they say:", "## Details:", "***", ""])
async def test_a_sentence_that_says_nothing_is_not_judged(sentence: str) -> None:
    verdict = await Verifier(make_passages(LEAVE)).check(sentence)
    assert verdict.outcome is Outcome.NOTHING_TO_CHECK
    assert verdict.kept


async def test_without_passages_nothing_is_held_up() -> None:
    verdict = await Verifier([]).check("Parental leave is 16 weeks.")
    assert verdict.why is Reason.NO_PASSAGE
