import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.sentences import spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("It costs 3.50 a piece. Cheap.", ["It costs 3.50 a piece.", "Cheap."]),
        ("See Fig. 3 and Dr. Smith. Done.", ["See Fig. 3 and Dr. Smith.", "Done."]),
        ("J. Smith went. He came.", ["J. Smith went.", "He came."]),
        ("no capital. after it", ["no capital. after it"]),
        ("A title\n\nThe text begins.", ["A title", "The text begins."]),
        ("- one\n- two", ["- one", "- two"]),
        ("a line that\ngoes on. Next.", ["a line that\ngoes on.", "Next."]),
        ("Name | Age\nAnn | 30", ["Name | Age", "Ann | 30"]),
        ("\u4e00\u3002\u4e8c\u3002", ["\u4e00\u3002", "\u4e8c\u3002"]),
        ("  ", []),
        ("", []),
    ],
)
def test_sentences_are_told_apart(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text())
def test_spans_are_in_order_and_lose_nothing_but_blanks(text: str) -> None:
    at = 0
    for start, end in spans(text):
        assert at <= start < end
        assert not text[at:start].strip()
        at = end
    assert not text[at:].strip()
