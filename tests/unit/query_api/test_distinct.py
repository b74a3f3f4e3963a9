"""What is a copy, and above all what is none: a text with a word of its own says something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query_api.retrieval.distinct import LEAST_LENGTH, RUN, Wording, is_copy
from tests.unit.query_api.hits import make_hit

TERMS = (
    "Parental leave is 16 weeks at full pay. It may be taken in two parts, if the manager agrees"
    " in writing. The days are counted from the birth. Whoever adopts a child has the same leave."
)
WORDS = st.lists(
    st.sampled_from(["leave", "week", "pay", "child", "16", "20", "not", "2023", "2024"]),
    max_size=30,
)


def wording(text: str, *section: str) -> Wording:
    return Wording.of(make_hit(text, section=section).chunk)


def said(words: list[str]) -> Wording:
    return Wording(" ".join(words))


def copies(text: str, original: str = TERMS) -> bool:
    return is_copy(wording(text), wording(original))


@pytest.mark.parametrize(
    "text",
    [
        TERMS,
        TERMS.upper(),
        TERMS.replace(" ", "\n"),
        TERMS.replace(",", ""),
        TERMS.replace("leave", "\u201cleave\u201d"),
        TERMS.removesuffix(" Whoever adopts a child has the same leave."),
    ],
)
def test_the_same_words_are_a_copy_and_so_is_a_part(text: str) -> None:
    assert copies(text)


@pytest.mark.parametrize(
    "text",
    [
        TERMS.replace("16", "14"),
        TERMS.replace("in writing", "not in writing"),
        TERMS.replace("manager", "ministry"),
        TERMS + " Ask Ann.",
        "It may be taken in two parts.",
        "Parental leave.",
        "",
    ],
)
def test_what_has_a_word_of_its_own_or_is_short_is_none(text: str) -> None:
    assert not copies(text)


@pytest.mark.parametrize(
    ("text", "original"),
    [
        ("Invoice INV-1, due in May", "Invoice INV-2, due in May"),
        ("revenue 2023: 5", "revenue 2024: 6"),
        # The same numbers, in each other's places.
        (
            "Revenue by year in millions: 2023: 5, 2024: 6.",
            "Revenue by year in millions: 2023: 6, 2024: 5.",
        ),
        ("Profit of the year: -5", "Profit of the year: 5"),
        ("Profit of the year: (5)", "Profit of the year: 5"),
        ("Dose in mg of the drug: .5", "Dose in mg of the drug: 5"),
        ("Dose in mg of the drug: <5", "Dose in mg of the drug: >5"),
        ("name | May | June\nAnn | 5 | ", "name | May | June\nAnn |  | 5"),
        ("year | sum\n2023 | 5\n2024 | 6", "year | sum\n2023 | 5\n2025 | 6"),
    ],
)
def test_forms_that_differ_in_a_number_are_no_copies(text: str, original: str) -> None:
    filler = "This is the standard form of our company, which is filled in for each of its uses. "
    for before in ("", filler, filler * 20):
        assert not copies(before + text, before + original)
        assert not copies(before + original, before + text)


def test_titles_above_tell_the_same_words_apart() -> None:
    germany, france = wording(TERMS, "Leave", "Germany"), wording(TERMS, "Leave", "France")
    assert not is_copy(germany, france)
    assert is_copy(germany, wording(TERMS, "Leave", "Germany"))


def test_the_same_words_in_another_order_are_no_copy() -> None:
    assert not copies(" ".join(reversed(TERMS.split())))


@given(WORDS, WORDS)
def test_what_stands_beside_a_number_stands_in_the_original_word_for_word(
    text: list[str], original: list[str]
) -> None:
    if text != original and is_copy(said(text), said(original)):
        assert len(text) >= RUN
        runs = [text[at : at + RUN] for at in range(len(text) - RUN + 1)]
        told = [" ".join(run) for run in runs if any(word.isdigit() for word in run)]
        assert all(run in " ".join(original) for run in told)
        assert set(text) <= set(original)


@given(WORDS, st.integers(0, 4), st.integers(0, 4))
def test_a_text_with_its_ends_cut_off_is_a_copy(text: list[str], left: int, right: int) -> None:
    part = text[left : len(text) - right]
    if len(part) >= max(RUN, LEAST_LENGTH * len(text)):
        assert is_copy(said(part), said(text))


@given(st.text())
def test_every_text_is_a_copy_of_itself(text: str) -> None:
    assert copies(text, text)
