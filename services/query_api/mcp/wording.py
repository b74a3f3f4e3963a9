"""What tools give, in words for a model or a person, and the links that go with it."""

from collections.abc import Iterable
from itertools import chain

from services.query_api.generation.answers import Answer
from services.query_api.mcp.results import CollectionsResult, PageResult
from services.query_api.mcp.values import Link, chunk_uri, page_uri
from services.query_api.retrieval.hits import Found, Hit
from shared.database.live_chunks import LiveChunk


def found_in_words(found: Found) -> str:
    """Return hits, best first, each with where it stands and its text."""
    if not found.hits:
        return "Nothing was found."
    return "\n\n".join(_hit_in_words(number, hit) for number, hit in enumerate(found.hits, 1))


def _hit_in_words(number: int, hit: Hit) -> str:
    chunk = hit.chunk
    section = f" ({' > '.join(chunk.section)})" if chunk.section else ""
    where = f"{chunk.filename}, page {chunk.page_start}{section}"
    ids = f"document_id {chunk.document_id}, chunk_id {chunk.id}, ordinal {chunk.ordinal}"
    return f"[{number}] {where}, relevance {hit.score:.2f}\n{ids}\n{chunk.text}"


def answer_in_words(answer: Answer) -> str:
    """Return an answer and the quotes that hold it up."""
    if answer.abstained is not None:
        return f"No answer: {answer.text}"
    quotes = [f"{claim.source} \u201c{claim.quote}\u201d" for claim in answer.claims]
    told = f"Confidence {answer.confidence:.2f}."
    return "\n\n".join([answer.text, told, "\n".join(quotes)]).strip()


def collections_in_words(result: CollectionsResult) -> str:
    """Return collections, one a line."""
    lines = [f"{one.name}: {one.documents} documents. {one.description}" for one in result.items]
    more = [f"More with cursor {result.next_cursor}."] if result.next_cursor else []
    return "\n".join([*lines, *more]) or "There is no collection yet."


def page_in_words(result: PageResult) -> str:
    """Return a page's text under its name, and what is missing."""
    head = f"{result.filename}, page {result.page} (version {result.version})"
    notes = []
    if result.next_ordinal is not None:
        notes.append(f"[It goes on: call again with from_ordinal {result.next_ordinal}.]")
    if result.picture_problem is not None:
        notes.append(f"[There is no picture of it: {result.picture_problem.detail}]")
    return "\n\n".join([head, result.text, *notes])


def hit_links(found: Found) -> list[Link]:
    """Return links to each hit and to the page on which it begins."""
    return links_to((hit.chunk, hit.chunk.page_start) for hit in found.hits)


def claim_links(answer: Answer) -> list[Link]:
    """Return links to what is cited, chunks and pages."""
    return links_to((claim.chunk, claim.page) for claim in answer.claims)


def links_to(places: Iterable[tuple[LiveChunk, int]]) -> list[Link]:
    """Return links to chunks and their pages, each once."""
    both = ((page_link(chunk, page), chunk_link(chunk)) for chunk, page in places)
    return list({link.uri: link for link in chain.from_iterable(both)}.values())


def page_link(chunk: LiveChunk, page: int) -> Link:
    """Return a link to a page."""
    uri = page_uri(chunk.document_id, page)
    return Link(uri, name=chunk.filename, title=f"{chunk.filename}, page {page}")


def chunk_link(chunk: LiveChunk) -> Link:
    """Return a link to a chunk."""
    title = " > ".join([chunk.filename, *chunk.section])
    return Link(chunk_uri(chunk.id), name=f"{chunk.filename}#{chunk.ordinal}", title=title)
