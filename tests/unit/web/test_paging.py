"""Cursors come back as they went out, and nothing else comes through."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.web.paging import cursor_of, id_after, number_after, page, text_after


@given(st.uuids())
def test_an_id_comes_back(value: UUID) -> None:
    assert id_after(cursor_of(value)) == value


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_a_number_comes_back(value: int) -> None:
    assert number_after(cursor_of(value)) == value


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_text_comes_back(value: str) -> None:
    assert text_after(cursor_of(value)) == value


def test_no_cursor_is_the_start() -> None:
    assert (id_after(None), number_after(None), text_after(None)) == (None, None, None)


@given(st.text())
def test_a_forged_cursor_is_invalid_or_a_position(forged: str) -> None:
    for read in (id_after, number_after, text_after):
        try:
            read(forged)
        except InvalidInput:
            continue


@pytest.mark.parametrize("position", ["not a uuid", "\0", "-1", "1" * 10, "²"])
def test_a_cursor_of_another_kind_is_invalid(position: str) -> None:
    with pytest.raises(InvalidInput):
        number_after(cursor_of(position))


def test_a_page_is_cut_and_says_if_there_is_more() -> None:
    rows = [uuid4() for _ in range(3)]
    assert page(rows, 2) == (rows[:2], True)
    assert page(rows, 3) == (rows, False)
