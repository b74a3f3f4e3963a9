"""Chunks on their way to the database: the same ones, in the same order, in little room."""

import tracemalloc
from collections.abc import Iterator
from uuid import UUID

from services.ingest_worker.jobs.cut_chunks import RUN, CutChunks
from services.ingest_worker.jobs.cutter import SectionCutter
from services.ingest_worker.parsing.packing import pack_elements
from shared.database.chunks import NewChunk, Owner, TargetIndex
from shared.models import Box, Chunk, Element, ElementKind
from shared.tokens.build import build_tokenizer

OWNER = Owner("acme", UUID(int=1), UUID(int=2), UUID(int=3))
INDEX = TargetIndex(UUID(int=4), UUID(int=5), "local/bge-small-en-v1.5", ready=True)
OTHER = TargetIndex(UUID(int=4), UUID(int=6), "local/bge-small-en-v1.5", ready=True)
BOX = Box(page=1, x0=0.1, y0=2 / 3, x1=1e-7, y1=3)


def chunks(count: int) -> Iterator[Chunk]:
    for at in range(count):
        yield Chunk(
            ordinal=at,
            text=f"chunk {at} é\n" * 50,
            tokens=100,
            page_start=1,
            page_end=2,
            page_turns=((7, 2),),
            section=("One", "Two"),
            boxes=(BOX,),
        )


def test_chunks_come_out_as_they_went_in_index_by_index() -> None:
    made = CutChunks(OWNER)
    made.add(INDEX, chunks(2 * RUN + 3))
    made.add(OTHER, chunks(RUN))
    given = [NewChunk(OWNER, INDEX, one) for one in chunks(2 * RUN + 3)]
    given += [NewChunk(OWNER, OTHER, one) for one in chunks(RUN)]
    assert list(made) == given
    assert list(made) == given  # Read as often as one likes.
    assert len(made) == 3 * RUN + 3
    assert given[RUN] in made
    assert NewChunk(OWNER, OTHER, given[2 * RUN].chunk) not in made


def test_nothing_cut_is_nothing() -> None:
    made = CutChunks(OWNER)
    made.add(INDEX, ())
    assert not made
    assert list(made) == []


def test_a_long_table_is_cut_in_less_room_than_its_text_takes() -> None:
    rows = "\n".join(f"{at} | alpha beta | gamma | 12.5 | paid late" for at in range(100))
    element = Element(kind=ElementKind.TABLE, text=rows)
    packed = pack_elements([element] * 3000)
    cutter = SectionCutter(build_tokenizer)
    cutter.cut(OWNER, [pack_elements([element])], [INDEX])  # Loads the tokenizer.
    tracemalloc.start()
    made = cutter.cut(OWNER, [packed], [INDEX])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(made) > 10 * RUN
    assert peak < 3000 * len(rows)
