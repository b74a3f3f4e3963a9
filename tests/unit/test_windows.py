"""A window shows the same of a list, from whichever end it is read."""

from itertools import product
from uuid import UUID

from shared.database.windows import Window

IDS = [UUID(int=number) for number in range(1, 8)]


def read(window: Window) -> list[UUID]:
    """Return what the statement would: bounds, order and limit are the window's."""
    bind = window.bind
    between = [one for one in IDS if UUID(str(bind["low"])) < one < UUID(str(bind["high"]))]
    ordered = between if window.direction == "ASC" else between[::-1]
    return ordered[: int(str(bind["limit"]))]


def test_a_page_is_the_part_of_the_list_that_was_asked_for() -> None:
    places = (None, *IDS)
    for limit, ascending, after, before in product((1, 2, 3, 7, 8), (True, False), places, places):
        listed = IDS if ascending else IDS[::-1]
        begin = 0 if after is None else listed.index(after) + 1
        end = len(listed) if before is None else listed.index(before)
        between = listed[begin:end]
        expected = between[-limit:] if before and after is None else between[:limit]
        window = Window(limit, ascending, after, before)
        assert window.page(read(window)) == (expected, len(between) > limit), window
