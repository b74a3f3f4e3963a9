"""Elements as bytes, there and back."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.parsing.packing import pack_elements, unpack_elements
from shared.errors import FileCorrupt, FileTooLarge
from shared.models import Box, Element, ElementKind

ELEMENTS = st.lists(
    st.builds(
        Element,
        kind=st.sampled_from(ElementKind),
        text=st.text(st.characters(exclude_categories=["Cs"])),
        page=st.integers(1, 9999),
        level=st.one_of(st.none(), st.integers(1, 9)),
        box=st.one_of(st.none(), st.just(Box(page=1, x0=0, y0=1.5, x1=2, y1=3))),
    )
)


@given(ELEMENTS)
def test_what_is_packed_is_unpacked(elements: list[Element]) -> None:
    packed = pack_elements(elements)
    assert unpack_elements(packed) == elements
    assert pack_elements(elements) == packed


def test_unpacking_is_bounded() -> None:
    packed = pack_elements([Element(kind=ElementKind.PARAGRAPH, text="a" * 10_000)])
    assert len(packed) < 1000
    with pytest.raises(FileTooLarge, match="more than 5000 bytes"):
        unpack_elements(packed, limit=5000)


@pytest.mark.parametrize("packed", [b"", b"nothing", zlib.compress(b"{}"), zlib.compress(b"[")])
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(FileCorrupt):
        unpack_elements(packed)


def test_a_cut_off_part_is_refused() -> None:
    packed = pack_elements([Element(kind=ElementKind.PARAGRAPH, text="a" * 1000)])
    with pytest.raises(FileCorrupt):
        unpack_elements(packed[:-8])
