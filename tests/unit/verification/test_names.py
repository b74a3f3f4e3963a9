"""Names: which ones are the same, and what tells that one stands in another's place."""

import pytest

from services.query_api.generation.verification.names import in_words, names_of
from services.query_api.generation.verification.readings import Reading
from services.query_api.generation.verification.verdicts import Reason
from services.query_api.generation.verification.verifier import Verifier
from tests.unit.query_api.hits import make_passages

COPY = "In June the plan was kept by Ana Ferreira, and Rui Costa checked it."
UNION = "The Commission is the main executive body of the European Union."
ELECTED = (
    "The board elects one chair and two deputies after the spring election to the Assembly of"
    " Berlin."
)
SPRING = (
    "After the spring election to the Assembly of Berlin the board elects one chair"
    " and two deputies, currently Elaine Smith."
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("scottish", "scotland"),
        ("british", "britain"),
        ("french", "france"),
        ("dutch", "netherlands"),
        ("norwegian", "norway"),
    ],
)
def test_a_country_is_named_by_its_people_too(one: str, other: str) -> None:
    assert in_words(one, {other})
    assert in_words(other, {one})


@pytest.mark.parametrize("one", ["british", "dutch"])
def test_and_not_by_others(one: str) -> None:
    assert not in_words(one, {"poland", "briton", "dublin", ""})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Conrad of Tyre was Guy's Rival.", 4),
        ("Conrad of Tyre, Guy's Rival", 0),
        ("Press The Red Button Twice.", 0),
        ("PRESS THE RED BUTTON TWICE.", 0),
    ],
)
def test_a_sentence_has_names_and_a_heading_has_none(text: str, count: int) -> None:
    names = [name for name in names_of(Reading(text)) if not name.word.text.isupper()]
    assert len(names) == count


@pytest.mark.parametrize(
    ("sentence", "there"),
    [
        ("Ana Costa kept the plan in June.", COPY),
        (
            "Conrad of Tyre was Guy's Rival.",
            "He stood by Guy against his rival Conrad of Montferrat. They had met in Tyre.",
        ),
    ],
)
async def test_a_name_made_of_two_is_found(sentence: str, there: str) -> None:
    passages = make_passages(there)
    assert (await Verifier(passages).check(sentence, passages)).why is Reason.NAME


@pytest.mark.parametrize(
    ("sentence", "there"),
    [
        ("Ana Ferreira kept the plan in June.", COPY),
        ("Rui Costa checked the plan.", COPY),
        ("The Commission is the main executive body of the EU.", UNION),
        ("The main executive body of the EU is the Commission.", UNION + " The EU has 24 tongues."),
        (ELECTED, SPRING),
    ],
)
async def test_a_name_in_another_form_or_place_is_kept(sentence: str, there: str) -> None:
    passages = make_passages(there)
    verdict = await Verifier(passages).check(sentence, passages)
    assert verdict.supported, verdict
