"""Draws the pictures of `docs/images` as SVG: `python -m tests.support.diagrams`.

They are text, need no script and no other host, and a test compares them with what is said here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LANE, ROW, TOP, MARGIN = 145, 38, 52, 66

STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.small{font-size:12px}"
    ".box{fill:#e8eef5;stroke:#54708f}.line{stroke:#54708f;stroke-width:1.4;fill:none}"
    ".lane{stroke:#b6c4d4;stroke-dasharray:3 4}.back{stroke-dasharray:6 4}"
)

TIP = (
    '<defs><marker id="tip" markerWidth="9" markerHeight="9" refX="8" refY="4" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#54708f"/></marker></defs>'
)


@dataclass(frozen=True)
class Step:
    """An arrow from one lane to another, or to itself; `answer` draws it dashed."""

    start: str
    end: str
    text: str
    answer: bool = False


UPLOAD = (
    ("sender", "ingest API", "blob store", "Postgres", "Redis", "workers", "Qdrant"),
    (
        Step("sender", "ingest API", "files, multipart"),
        Step("ingest API", "blob store", "bytes, hashed"),
        Step("ingest API", "Postgres", "all rows, one transaction"),
        Step("ingest API", "sender", "202", answer=True),
        Step("Postgres", "ingest API", "dispatcher: whose turn?", answer=True),
        Step("ingest API", "Redis", "a few messages, ids only"),
        Step("Redis", "workers", "parse_parts"),
        Step("workers", "Postgres", "claim the part, with a lease"),
        Step("blob store", "workers", "bytes", answer=True),
        Step("workers", "Postgres", "Elements; last part: chunks"),
        Step("Redis", "workers", "embed_chunks"),
        Step("workers", "Postgres", "claim a batch of chunks"),
        Step("workers", "Qdrant", "points"),
        Step("workers", "Postgres", "counters; at zero: live"),
    ),
)
QUESTION = (
    ("asker", "query API", "Postgres", "embedder", "Qdrant", "chat model"),
    (
        Step("asker", "query API", "POST /v1/query"),
        Step("query API", "Postgres", "active index"),
        Step("query API", "embedder", "the question's vector"),
        Step("query API", "Qdrant", "dense and sparse, one request"),
        Step("Qdrant", "query API", "ids and scores", answer=True),
        Step("query API", "Postgres", "which are live?"),
        Step("Postgres", "query API", "their text", answer=True),
        Step("query API", "query API", "fuse, rerank, score, cut"),
        Step("query API", "chat model", "numbered chunks"),
        Step("chat model", "query API", "a sentence with markers", answer=True),
        Step("query API", "query API", "held up? by which words?"),
        Step("query API", "asker", "the sentence, its sources", answer=True),
        Step("query API", "Postgres", "a row in the trail"),
        Step("query API", "asker", "citations, confidence", answer=True),
    ),
)


def sequence(lanes: Sequence[str], steps: Sequence[Step]) -> str:
    """Draw lanes from left to right and steps from top to bottom."""
    width = MARGIN * 2 + LANE * (len(lanes) - 1)
    height = TOP + ROW * (len(steps) + 1)
    places = {lane: MARGIN + LANE * index for index, lane in enumerate(lanes)}
    size = f'width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}>'
    ground = f'<rect {size} rx="6" fill="#fbfcfe"/>'
    body = [*_lanes(places, height), *_steps(places, steps)]
    return "\n".join([head, f"<style>{STYLE}</style>", TIP, ground, *body, "</svg>", ""])


def _lanes(places: dict[str, int], height: int) -> Iterator[str]:
    for lane, x in places.items():
        yield f'<line class="lane" x1="{x}" y1="44" x2="{x}" y2="{height - 12}"/>'
        yield f'<rect class="box" x="{x - 55}" y="14" width="110" height="30" rx="5"/>'
        yield f'<text x="{x}" y="34" text-anchor="middle">{escape(lane)}</text>'


def _steps(places: dict[str, int], steps: Sequence[Step]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        y = TOP + ROW * number - 8
        start, end = places[step.start], places[step.end]
        yield _arrow(start, end, y, "line back" if step.answer else "line")
        # Long words may be wider than their arrow: they get a ground of their own.
        middle = start + 30 if start == end else (start + end) // 2
        anchor = "start" if start == end else "middle"
        yield (
            f'<text class="small" x="{middle}" y="{y - 6}" text-anchor="{anchor}" stroke="#fbfcfe"'
            f' stroke-width="4" paint-order="stroke">{number}. {escape(step.text)}</text>'
        )


def _arrow(start: int, end: int, y: int, style: str) -> str:
    tip = 'marker-end="url(#tip)"'
    if start == end:
        path = f"M{start},{y - 14} h22 v14 h-20"
        return f'<path class="{style}" d="{path}" {tip}/>'
    return f'<line class="{style}" x1="{start}" y1="{y}" x2="{end}" y2="{y}" {tip}/>'


PICTURES = {"upload.svg": UPLOAD, "question.svg": QUESTION}


def main() -> None:
    """Draw every picture."""
    IMAGES.mkdir(exist_ok=True)
    for name, (lanes, steps) in PICTURES.items():
        (IMAGES / name).write_text(sequence(lanes, steps), encoding="utf-8")


if __name__ == "__main__":
    main()
