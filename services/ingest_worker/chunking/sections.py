"""The section tree, built and taken down as elements stream by.

A section that fits a chunk with everything below it waits, and is merged with its neighbours
under the same parent while they fit together; one that does not is cut on its own.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from services.ingest_worker.chunking.packer import MAX_PAGES, Draft, Packer
from services.ingest_worker.chunking.sizes import ChunkSizes
from services.ingest_worker.chunking.spans import Scale, Span
from shared.models import ElementKind

Path = tuple[str, ...]
MAX_TITLE_CHARS = 200


@dataclass(slots=True)
class _Group:
    """Text that still fits one chunk: a section or several, under their common path."""

    path: Path
    spans: list[Span]

    @property
    def weight(self) -> int:
        return sum(span.weight for span in self.spans)

    @property
    def titles_only(self) -> bool:
        return all(span.element.kind is ElementKind.TITLE for span in self.spans)

    def fits(self, other: "_Group", max_tokens: int) -> bool:
        """Tell whether both fit one chunk."""
        pages = other.spans[-1].page - self.spans[0].page + 1
        return pages <= MAX_PAGES and self.weight + other.weight <= max_tokens

    def merge(self, other: "_Group") -> None:
        """Take the other's text in, under the path both have in common."""
        self.path = _common(self.path, other.path)
        self.spans.extend(other.spans)


@dataclass(slots=True)
class _Node:
    """An open section. `waiting` is what it holds back; `cut` once it gave a chunk."""

    level: int
    path: Path
    waiting: _Group | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A draft and the path of titles above it."""

    path: Path
    draft: Draft


@dataclass(slots=True)
class Sections:
    """Takes spans in order, gives drafts in order."""

    scale: Scale
    sizes: ChunkSizes
    _open: list[_Node] = field(default_factory=lambda: [_Node(0, ())])
    _own: Packer = field(init=False)

    def __post_init__(self) -> None:
        self._own = Packer(self.scale, self.sizes)

    def add(self, span: Span) -> Iterator[Section]:
        """Take the next whole element."""
        if span.element.kind is ElementKind.TITLE:
            yield from self._begin(span)
        self._own.add([span])
        if self._own.overflows:
            yield from self._overflow()

    def finish(self) -> Iterator[Section]:
        """Give what is left at the document's end."""
        yield from self._end_own()
        while len(self._open) > 1:
            yield from self._close()
        yield from self._emit(self._open[0].waiting)

    def _begin(self, title: Span) -> Iterator[Section]:
        yield from self._end_own()
        level = title.element.level or 1
        while self._open[-1].level >= level:
            yield from self._close()
        name = " ".join(title.text.split())[:MAX_TITLE_CHARS]
        self._open.append(_Node(level, (*self._open[-1].path, name)))

    def _overflow(self) -> Iterator[Section]:
        """Give chunks of a section that is too long, after all that stands before it."""
        node = self._open[-1]
        if not node.cut:
            carried = yield from self._flush(self._open[:-1])
            self._own.put_first(carried)
            node.cut = True
        for draft in self._own.drafts(final=False):
            yield Section(node.path, draft)

    def _end_own(self) -> Iterator[Section]:
        """End the text between a section's title and the first title below it."""
        own, self._own = self._own, Packer(self.scale, self.sizes)
        node = self._open[-1]
        if node.cut:
            for draft in own.drafts(final=True):
                yield Section(node.path, draft)
        elif own.spans:
            node.waiting = _Group(node.path, own.spans)

    def _close(self) -> Iterator[Section]:
        node = self._open.pop()
        if node.cut:
            yield from self._emit(node.waiting)
        elif node.waiting is not None:
            yield from self._absorb(node.waiting)

    def _absorb(self, group: _Group) -> Iterator[Section]:
        """Hand a closed section to its parent: merged if it fits, else the parent's goes first."""
        parent = self._open[-1]
        if parent.waiting is None:
            parent.waiting = group
        elif parent.waiting.fits(group, self.sizes.max_tokens):
            parent.waiting.merge(group)
        else:
            carried = yield from self._flush(self._open)
            parent.waiting = _Group(group.path, [*carried, *group.spans])

    def _flush(self, nodes: Sequence[_Node]) -> Generator[Section, None, list[Span]]:
        """Give what these sections hold back; titles without text are returned: they go along."""
        carried: list[Span] = []
        for node in nodes:
            group, node.waiting, node.cut = node.waiting, None, True
            if group is None:
                continue
            group.spans[:0] = carried
            if group.titles_only and group.weight < self.sizes.min_tokens:
                carried = group.spans
            else:
                carried = []
                yield from self._emit(group)
        return carried

    def _emit(self, group: _Group | None) -> Iterator[Section]:
        if group is not None:
            packer = Packer(self.scale, self.sizes)
            packer.add(group.spans)
            for draft in packer.drafts(final=True):
                yield Section(group.path, draft)


def _common(one: Path, other: Path) -> Path:
    shared = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        shared += 1
    return one[:shared]
