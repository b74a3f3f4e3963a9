import pytest

from services.query_api.retrieval.relevance import Relevance
from shared.embeddings.spaces import FAKE, LOCAL, OPENAI_SMALL
from shared.models import EmbeddingSpace

QUESTION = "How long is parental leave?"
TEXT = "Parental leave is sixteen weeks long."


@pytest.mark.parametrize(
    ("space", "unrelated", "related"),
    [(LOCAL, 0.62, 0.77), (OPENAI_SMALL, 0.25, 0.5), (FAKE, 0.1, 0.4)],
)
def test_the_floor_lies_between_unrelated_and_related(
    space: EmbeddingSpace, unrelated: float, related: float
) -> None:
    relevance = Relevance(QUESTION, space)
    assert relevance.of("Dogs bark.", unrelated) < space.floor < relevance.of(TEXT, related)


def test_nearer_and_fuller_is_more_relevant() -> None:
    relevance = Relevance(QUESTION, LOCAL)
    assert relevance.of(TEXT, 0.6) < relevance.of(TEXT, 0.7) < relevance.of(TEXT, 0.8)
    assert relevance.of("Dogs.", 0.7) < relevance.of("Leave.", 0.7) < relevance.of(TEXT, 0.7)


def test_words_alone_decide_without_a_vector() -> None:
    relevance = Relevance(QUESTION, LOCAL)
    assert relevance.of("Dogs bark.", None) < LOCAL.floor < relevance.of(TEXT, None)


def test_vectors_alone_decide_where_words_cannot_be_told_apart() -> None:
    relevance = Relevance("\u80b2\u5150\u4f11\u6687", OPENAI_SMALL)
    assert relevance.of("anything", 0.2) < OPENAI_SMALL.floor < relevance.of("anything", 0.5)
    assert relevance.of("anything", None) < 0.01
    assert Relevance("what is it?", LOCAL).of("anything", 0.9) > 0.9


def test_relevance_stays_within_its_bounds() -> None:
    for cosine in (-1.0, 0.0, 1.0):
        assert 0 <= Relevance(QUESTION, LOCAL).of(TEXT, cosine) <= 1
