"""Boxes of a chunk: few, and never across pages or columns."""

from services.ingest_worker.chunking.boxes import MAX_BOXES_A_PAGE, merged
from shared.models import Box


def box(y0: float, page: int = 1, x0: float = 50, width: float = 200) -> Box:
    return Box(page=page, x0=x0, y0=y0, x1=x0 + width, y1=y0 + 12)


def test_paragraphs_down_a_column_become_one_box() -> None:
    assert merged([box(100), box(114), box(140)]) == (box(100).model_copy(update={"y1": 152}),)


def test_columns_stay_apart() -> None:
    left, right = box(100), box(100, x0=300)
    assert merged([left, right]) == (left, right)


def test_pages_stay_apart() -> None:
    assert merged([box(100), box(100, page=2)]) == (box(100), box(100, page=2))


def test_text_far_below_stays_apart() -> None:
    assert len(merged([box(100), box(400)])) == 2


def test_there_are_never_many() -> None:
    found = merged([box(100 * number) for number in range(50)])
    assert len(found) == MAX_BOXES_A_PAGE
    assert found[-1].y1 == 4912


def test_no_boxes() -> None:
    assert merged([]) == ()
