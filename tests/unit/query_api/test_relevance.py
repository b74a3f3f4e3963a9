import math
from collections.abc import Sequence
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.retrieval.hits import Live, Mode, SearchQuery
from services.query_api.retrieval.relevance.evidence import Asked, Evidence, Seen
from services.query_api.retrieval.relevance.fits import MEASURED, SHARED, Feature, Fit, fit_of
from services.query_api.retrieval.relevance.scoring import Relevance, relevance, way_of
from shared.embeddings.spaces import FAKE, LOCAL, OPENAI_SMALL
from shared.vectors.base import Candidate

QUESTION = "How long is parental leave?"
TEXT = "Parental leave is sixteen weeks long."
OTHER = "Dogs bark at night."
SPACES = [LOCAL.name, OPENAI_SMALL.name, FAKE.name, "onnx/mine@0123456789ab"]
FITS = [*SHARED.values(), *(fit for of in MEASURED.values() for fit in of.values())]
UNSPACED = "\u80b2\u5150\u4f11\u6687"
NAMESPACE = UUID(int=0)


def ids(count: int) -> list[UUID]:
    return [uuid5(NAMESPACE, str(number)) for number in range(count)]


def candidates(scores: Sequence[float]) -> list[Candidate]:
    return [
        Candidate(id_, NAMESPACE, score)
        for id_, score in zip(ids(len(scores)), scores, strict=True)
    ]


def searched(
    space: str,
    cosines: Sequence[float] = (),
    words: Sequence[float] = (),
    mode: Mode = "hybrid",
    question: str = QUESTION,
) -> Relevance:
    live = Live.of(candidates(cosines), candidates(words))
    chunks = max(3, len(cosines), len(words))
    return Relevance(SearchQuery("acme", question, mode=mode), live, space, chunks)


def evidence(cosines: Sequence[float] = (), words: Sequence[float] = ()) -> Evidence[int]:
    chunks = max(len(cosines), len(words))
    return Evidence(
        QUESTION,
        dict(zip(range(len(cosines)), cosines, strict=True)),
        dict(zip(range(len(words)), words, strict=True)),
        chunks,
    )


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
def test_of_three_chunks_the_one_that_answers_is_above_the_floor_and_another_below(
    space: str, mode: Mode
) -> None:
    low, high = (0.48, 0.8) if space == LOCAL.name else (0.1, 0.6)
    dense, words = mode != "sparse", mode != "dense"
    answers = searched(space, (high, low, low) if dense else (), (2.5,) if words else (), mode)
    # Words alone are weak evidence.
    assert answers.of(ids(1)[0], 1.0, TEXT) > max(answers.floor, 0.5 * dense)
    about_others = searched(space, (low, low, low) if dense else (), (), mode)
    assert about_others.of(ids(1)[0], 1.0, OTHER) < about_others.floor


@pytest.mark.parametrize("fit", FITS)
def test_more_of_any_evidence_is_more_relevance(fit: Fit) -> None:
    assert all(weight > 0 for weight in fit.weights.values())
    assert 0 < fit.floor < 0.5


@given(
    cosines=st.lists(st.floats(-1, 1), max_size=120),
    words=st.lists(st.floats(0, 300), max_size=120),
    fused=st.floats(0, 1),
    reading=st.none() | st.floats(0, 1),
)
def test_relevance_stays_within_its_bounds(
    cosines: list[float], words: list[float], fused: float, reading: float | None
) -> None:
    one = evidence(sorted(cosines, reverse=True), sorted(words, reverse=True))
    for fit in FITS:
        assert 0 <= relevance(fit, one, Seen(0, fused, TEXT, reading)) <= 1


def test_a_score_that_is_no_number_is_no_relevance() -> None:
    for space in SPACES:
        assert searched(space, (math.nan, math.nan)).of(ids(1)[0], 1.0, TEXT) == 0


def test_nothing_found_has_a_floor_all_the_same() -> None:
    assert searched(LOCAL.name).floor == SHARED["sparse"].floor


def test_a_hit_that_only_words_found_is_no_nearer_than_the_last_by_vectors() -> None:
    one = evidence((0.9, 0.7), (3.0, 2.0, 1.0))
    assert one.of("nearness", Seen(2, 0.5, TEXT)) == 0.7


def test_where_the_cosines_of_a_model_lie_does_not_matter_to_the_rise() -> None:
    low, high = evidence((0.4, *[0.1] * 99)), evidence((0.8, *[0.7] * 99))
    assert low.of("rise", Seen(0, 1, "")) == pytest.approx(
        high.of("rise", Seen(0, 1, "")), abs=0.02
    )
    assert low.of("rise", Seen(99, 1, "")) == pytest.approx(0, abs=0.01)


def test_one_chunk_alone_rises_above_what_models_say_of_unrelated_texts() -> None:
    rises = [evidence((cosine,)).of("rise", Seen(0, 1, "")) for cosine in (0.1, 0.3, 0.7, 1.0)]
    assert rises == sorted(rises)
    assert rises[1] == 0
    assert all(math.isfinite(rise) for rise in rises)


def test_place_and_number_of_chunks_count() -> None:
    of_four = evidence((0.5,) * 4)
    assert [of_four.of("place", Seen(0, fused, "")) for fused in (1.0, 0.5)] == [1, 0.25]
    assert of_four.of("few", Seen(0, 1, "")) == 0.25
    assert evidence().of("few", Seen(0, 1, "")) == 1


def test_a_rare_word_weighs_the_same_in_a_small_and_a_large_collection() -> None:
    asked = Asked(QUESTION).terms
    for chunks in (3, 100, 100_000):
        rarest = math.log(1 + (chunks - 0.5) / 1.5)
        found = Evidence(QUESTION, {}, {0: rarest}, chunks)
        assert found.of("weight", Seen(0, 1, "")) == pytest.approx(1 / len(asked))
    assert evidence((), (1000.0,)).of("weight", Seen(0, 1, "")) == 1


def test_words_that_merely_ask_are_not_asked_for() -> None:
    assert Asked("How many days do I get?").coverage("26 days") == 1
    assert Asked("what is it?").coverage("anything") == 0
    assert Asked("Which torque for E-1042?").coverage("Torque of the E-1042 pump") == 1


@pytest.mark.parametrize(
    ("question", "mode", "way"),
    [
        (QUESTION, "hybrid", "hybrid"),
        (QUESTION, "dense", "dense"),
        (UNSPACED, "hybrid", "meaning"),
        ("what is it?", "dense", "meaning"),
    ],
)
def test_words_that_cannot_be_told_apart_do_not_count(question: str, mode: Mode, way: str) -> None:
    assert way_of(mode, Evidence(question, {0: 0.5}, {}, 1)) == way
    assert way_of(mode, Evidence(question, {}, {0: 1.0}, 1)) == "sparse"


def test_unspaced_words_alone_can_be_relevant() -> None:
    found = searched(LOCAL.name, (), (3.0,), "sparse", UNSPACED)
    assert found.of(ids(1)[0], 1.0, f"{UNSPACED}16") > found.floor


def test_what_a_cross_encoder_says_counts_in_every_mode() -> None:
    modes: dict[Mode, Sequence[float]] = {"hybrid": (0.7, 0.6), "dense": (0.7, 0.6), "sparse": ()}
    for mode, cosines in modes.items():
        found = searched(LOCAL.name, cosines, (2.0, 1.0), mode)
        scores = [found.of(ids(1)[0], 1.0, TEXT, reading) for reading in (0.0, 0.1, 0.9, 1.0)]
        assert scores == sorted(set(scores))
        assert scores[-1] > 0.5


def test_a_space_that_was_not_measured_has_the_shared_fit() -> None:
    assert fit_of(OPENAI_SMALL.name, "hybrid") is SHARED["hybrid"]
    assert fit_of(LOCAL.name, "hybrid") is not SHARED["hybrid"]
    uses: set[Feature] = {feature for fit in SHARED.values() for feature in fit.weights}
    assert "nearness" not in uses
