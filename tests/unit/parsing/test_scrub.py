"""Whatever comes in, what leaves is text that Postgres, UTF-8 and terminals take."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.parsing.scrub import scrub

ANY_TEXT = st.text(
    st.one_of(st.characters(), st.characters(categories=["Cc", "Cs"]), st.just("\ufffe"))
)


@given(ANY_TEXT)
def test_what_is_left_is_clean(text: str) -> None:
    clean = scrub(text)
    clean.encode()
    assert "\0" not in clean
    assert not [
        character
        for character in clean
        if unicodedata.category(character) == "Cc" and character not in "\n\t"
    ]


@given(ANY_TEXT)
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"])))
def test_clean_text_is_left_alone(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\r\nb\rc\x0cd\x85e", "a\nb\nc\nd\ne"),
        ("nul\x00bell\x07escape\x1b[31m", "nulbellescape[31m"),
        ("tab\tnew\nline", "tab\tnew\nline"),
        ("\ud83d\ude00", "\U0001f600"),
        ("lone \ud83d", "lone \ufffd"),
        ("\ufffe\uffff", ""),
    ],
)
def test_known_cases(dirty: str, clean: str) -> None:
    assert scrub(dirty) == clean
