"""Elements as bytes, there and back."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest_worker.parsing.packing import pack_elements, unpack_elements
from services.ingest_worker.parsing.scrub import scrub
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
    clean = [one.model_copy(update={"text": scrub(one.text)}) for one in elements]
    assert unpack_elements(packed) == clean
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


@pytest.mark.parametrize(
    "element",
    [
        '{"kind": "paragraph", "text": "a", "page": 2147483648}',
        '{"kind": "paragraph", "text": "a", "box": {"page":1,"x0":NaN,"y0":0,"x1":1,"y1":1}}',
        '{"kind": "paragraph", "text": "\\ud800"}',
        '{"kind": "secret", "text": "a"}',
    ],
)
def test_what_the_database_could_not_hold_is_refused(element: str) -> None:
    with pytest.raises(FileCorrupt):
        unpack_elements(zlib.compress(f"[{element}]".encode()))


def test_text_that_nobody_scrubbed_is_scrubbed() -> None:
    packed = zlib.compress(rb'[{"kind": "paragraph", "text": "a\u0000b\u001b[31m\r\nc"}]')
    assert [one.text for one in unpack_elements(packed)] == ["ab[31m\nc"]
