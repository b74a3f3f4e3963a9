"""The real model of the wheel."""

from pathlib import Path

import pytest

from services.query_api.rerank import cross_encoder
from services.query_api.rerank.cross_encoder import (
    MAX_TOKENS,
    WINDOW_TOKENS,
    CrossEncoder,
    best_window,
    load_cross_encoder,
)
from shared.errors import ConfigurationInvalid

QUESTION = "How many people live in Berlin?"
# From best to worst, with the model's own measured logits.
PASSAGES = {
    "Berlin had a population of 3,520,031 registered inhabitants in 2015.": 9.2,
    "Berlin is well known for its museums.": -4.3,
    "Tighten the wheel bolts to a torque of 120 newton metres.": -11.0,
}


@pytest.fixture(scope="module")
def model() -> CrossEncoder:
    return load_cross_encoder(threads=1)


def test_the_model_agrees_with_what_was_measured(model: CrossEncoder) -> None:
    logits = [model.logit(QUESTION, passage) for passage in PASSAGES]
    assert logits == sorted(logits, reverse=True)
    # int8 on a processor without VNNI can saturate; this much is left to other processors.
    assert logits == pytest.approx(list(PASSAGES.values()), abs=1.0)


def test_a_pair_has_the_same_logit_whatever_was_read_before(model: CrossEncoder) -> None:
    first, *others = PASSAGES
    alone = model.logit(QUESTION, first)
    for other in others:
        model.logit(QUESTION, other * 20)
        assert model.logit(QUESTION, first) == alone


def test_the_part_of_a_long_passage_is_read_that_speaks_of_the_question(
    model: CrossEncoder,
) -> None:
    museums = "The museums of the city are open on all days. " * 60
    first, *_ = PASSAGES
    alone = model.logit(QUESTION, museums)
    for passage in (f"{museums}{first}", f"{museums}{first} {museums}", f"{first} {museums}"):
        assert model.logit(QUESTION, passage) > alone + 5


def test_the_first_of_equal_windows_is_read() -> None:
    assert best_window([7], [1] * 900) == 0
    assert best_window([], [1] * 900) == 0
    assert best_window([7], [1] * 899 + [7]) == 900 - WINDOW_TOKENS
    # The rarer of two words decides.
    assert best_window([1, 7], [1] * 400 + [2] * 499 + [7]) == 900 - WINDOW_TOKENS


def test_a_long_question_leaves_room_for_the_passage(model: CrossEncoder) -> None:
    asked = f"{QUESTION} " * MAX_TOKENS
    first, second, _ = PASSAGES
    assert model.logit(asked, first) > model.logit(asked, second)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud7ff", "柏林有多少人口", "a" * 100_000])
def test_any_text_has_a_logit(model: CrossEncoder, text: str) -> None:
    for question, passage in ((QUESTION, text), (text, QUESTION)):
        assert -20 < model.logit(question, passage) < 20


def test_altered_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"other bytes")
    monkeypatch.setattr(cross_encoder, "reranker_folder", lambda: tmp_path)
    with pytest.raises(ConfigurationInvalid, match=r"model.onnx has sha256 .* not the pinned"):
        load_cross_encoder(threads=1)


def test_weights_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"model\.onnx"):
        CrossEncoder(tmp_path, threads=1)
