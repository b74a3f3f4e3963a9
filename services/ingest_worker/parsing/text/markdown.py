"""Markdown (CommonMark with tables and front matter) through markdown-it."""

import re
from collections.abc import Iterator

from markdown_it.token import Token

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import MARKDOWN
from services.ingest_worker.parsing.encodings import decode_file
from services.ingest_worker.parsing.text.html import read_html
from services.ingest_worker.parsing.text.markdown_bounds import Inline, block_tokens
from shared.models import Element, ElementKind

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


class MarkdownParser:
    """Reads Markdown: titles with their level, paragraphs, list items, tables, code."""

    name = "markdown-it/1"
    media_types = frozenset({MARKDOWN})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read front matter as a paragraph, then the blocks in order."""
        del pages
        decoded = decode_file(source.path)
        return Parsed(read_markdown(decoded.text), warnings=decoded.warnings)


def read_markdown(text: str) -> list[Element]:
    """Return the elements of a text in Markdown."""
    elements = []
    if front := _FRONT_MATTER.match(text):
        elements.append(Element(kind=ElementKind.PARAGRAPH, text=front[1]))
        text = text[front.end() :]
    tokens, inline = block_tokens(text)
    reader = _Reader(inline)
    for token in tokens:
        elements.extend(reader.read(token))
    return elements


class _Reader:
    """Remembers what the next run of text belongs to."""

    def __init__(self, inline: Inline) -> None:
        self._inline = inline
        self._level: int | None = None
        self._lists = 0
        self._marker = ""
        self._rows: list[list[str]] | None = None

    def read(self, token: Token) -> Iterator[Element]:
        """Take one block token; yield the element it completes."""
        match token.type:
            case "fence" | "code_block":
                yield Element(kind=ElementKind.CODE, text=token.content.rstrip("\n"))
            case "html_block":
                yield from read_html(token.content).elements
            case "inline":
                yield from self._text(self._inline.text(token.content))
            case "table_close":
                yield Element(
                    kind=ElementKind.TABLE,
                    text="\n".join(" | ".join(row) for row in self._rows or ()),
                )
                self._rows = None
            case _:
                self._enter(token)

    def _enter(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self._level = int(token.tag[1])
            case "heading_close":
                self._level = None
            case "bullet_list_open" | "ordered_list_open":
                self._lists += 1
            case "bullet_list_close" | "ordered_list_close":
                self._lists -= 1
            case _:
                self._enter_part(token)

    def _enter_part(self, token: Token) -> None:
        match token.type:
            case "list_item_open":
                self._marker = f"{token.info}{token.markup} " if token.info else ""
            case "table_open":
                self._rows = []
            case "tr_open" if self._rows is not None:
                self._rows.append([])
            case _:
                pass

    def _text(self, text: str) -> Iterator[Element]:
        if self._rows is not None:
            self._rows[-1].append(" ".join(text.split()))
        elif self._level is not None:
            yield Element(kind=ElementKind.TITLE, text=text, level=self._level)
        elif self._lists:
            yield Element(kind=ElementKind.LIST_ITEM, text=self._marker + text)
            self._marker = ""
        else:
            yield Element(kind=ElementKind.PARAGRAPH, text=text)
