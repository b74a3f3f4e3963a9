"""Hits and passages to test with, made without any store."""

from uuid import UUID, uuid4

from services.query_api.generation.passages import Passage, numbered
from services.query_api.retrieval.hits import Hit, Scores
from shared.database.live_chunks import LiveChunk


def make_hit(
    text: str = "Text.",
    *,
    filename: str = "a.pdf",
    page: int = 1,
    page_turns: tuple[tuple[int, int], ...] = (),
    score: float = 0.9,
    document_id: UUID | None = None,
    section: tuple[str, ...] = (),
    version_id: UUID | None = None,
    ordinal: int = 0,
) -> Hit:
    chunk = LiveChunk(
        id=uuid4(),
        document_id=document_id or uuid4(),
        version_id=version_id or uuid4(),
        version=1,
        ordinal=ordinal,
        text=text,
        tokens=len(text.split()),
        page_start=page,
        page_end=page_turns[-1][1] if page_turns else page,
        page_turns=page_turns,
        section=section,
        boxes=(),
        filename=filename,
        attributes={},
    )
    return Hit(chunk, "default", score, Scores(dense=0.7))


def make_passages(*texts: str) -> list[Passage]:
    """Number a passage for each text; the first is page 1 of `1.pdf`, and so on."""
    hits = [make_hit(text, filename=f"{at}.pdf", page=at) for at, text in enumerate(texts, 1)]
    return numbered(hits)
