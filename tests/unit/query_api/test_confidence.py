import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.confidence import Features, confidence, features_of
from services.query_api.generation.extractive import extract
from tests.unit.query_api.hits import make_passages

SHARE = st.floats(0, 1)
LEAVE = "Staff in Lisbon have 26 days of vacation. Parental leave is 16 weeks."


@given(SHARE, SHARE, st.integers(0, 3), SHARE, SHARE)
def test_confidence_is_a_probability(
    relevance: float, spoken: float, missing: int, support: float, kept: float
) -> None:
    assert 0 <= confidence(Features(relevance, spoken, missing, support, kept)) <= 1


@pytest.mark.parametrize(
    "worse",
    [
        Features(0.3, 0.8),
        Features(0.7, 0.2),
        Features(0.7, 0.8, missing=2),
        Features(0.7, 0.8, support=0.6),
        Features(0.7, 0.8, kept=0.5),
    ],
)
def test_what_speaks_against_an_answer_lowers_it(worse: Features) -> None:
    assert confidence(worse) < confidence(Features(0.7, 0.8))


def test_what_a_question_names_and_no_cited_passage_has_is_missing() -> None:
    claims = extract("parental leave", make_passages(LEAVE)).claims
    asked = "How long is parental leave in Lisbon?"
    assert features_of(asked, claims).missing == 0
    assert features_of("How long was parental leave in Porto in 1998?", claims).missing == 2
    assert features_of(asked, claims).spoken == pytest.approx(0.5)


def test_the_verdicts_on_its_sentences_count() -> None:
    claims = extract("parental leave", make_passages(LEAVE)).claims
    features = features_of("parental leave", claims, supports=[0.9, 0.7], statements=4)
    assert features.support == pytest.approx(0.8)
    assert features.kept == 0.5
