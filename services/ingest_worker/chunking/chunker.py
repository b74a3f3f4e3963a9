"""The chunker: a version's elements in reading order in, its chunks in order out."""

from collections.abc import Iterable, Iterator
from itertools import islice

from services.ingest_worker.chunking.boxes import merged
from services.ingest_worker.chunking.sections import Section, Sections
from services.ingest_worker.chunking.sizes import ChunkSizes
from services.ingest_worker.chunking.spans import Scale, Span, page_turns
from shared.models import Box, Chunk, Element
from shared.tokens.base import Tokenizer

# Kept with each version; changes when the same elements may give other chunks.
CHUNKER = "sections/1"
BATCH = 256


def chunk(
    elements: Iterable[Element], *, tokenizer: Tokenizer, sizes: ChunkSizes
) -> Iterator[Chunk]:
    """Cut a document into chunks.

    Deterministic, and streaming: it holds some chunks' worth of text, however long the document.
    """
    sections = _sections(elements, Scale(tokenizer, sizes.max_tokens), sizes)
    # Cutting may leave a draft nothing but white space.
    for ordinal, section in enumerate(one for one in sections if one.draft.text):
        spans, draft = section.draft.spans, section.draft
        yield Chunk(
            ordinal=ordinal,
            text=draft.text,
            tokens=draft.tokens,
            page_start=min(span.page for span in spans),
            page_end=max(span.page for span in spans),
            page_turns=page_turns(spans),
            section=section.path,
            boxes=merged(_boxes(spans)),
        )


def _boxes(spans: Iterable[Span]) -> Iterator[Box]:
    """Yield each element's box once; a sentence stands somewhere in its paragraph's."""
    above: Element | None = None
    for span in spans:
        if span.element is not above and span.element.box is not None:
            yield span.element.box
        above = span.element


def _sections(elements: Iterable[Element], scale: Scale, sizes: ChunkSizes) -> Iterator[Section]:
    sections = Sections(scale, sizes)
    stream = (element for element in elements if element.text and not element.text.isspace())
    while batch := list(islice(stream, BATCH)):
        for span in scale.weigh(batch):
            yield from sections.add(span)
    yield from sections.finish()
