"""The tools: each reads its arguments, calls the use case that HTTP calls, and tells the result."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from services.query_api.audit.answering import RecordedAnswerer
from services.query_api.generation.answers import Question
from services.query_api.mcp import wording
from services.query_api.mcp.pages import PageTexts
from services.query_api.mcp.pictures import PagePictures, Place
from services.query_api.mcp.results import CollectionItem, CollectionsResult, PageResult
from services.query_api.mcp.schemas import (
    AskArguments,
    GetPageArguments,
    ListCollectionsArguments,
    SearchArguments,
)
from services.query_api.mcp.values import Caller, Given
from services.query_api.retrieval.hits import SearchQuery
from services.query_api.retrieval.search import Retriever
from services.query_api.schemas.query import QueryResponse
from services.query_api.schemas.search import SearchResponse
from shared.database.collections import Collections
from shared.database.engine import Database
from shared.errors import InvalidInput, NotFound
from shared.identity import new_id
from shared.web.paging import cursor_of, page, text_after

COLLECTIONS_A_PAGE = 100

Arguments = TypeVar("Arguments", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Tool(Generic[Arguments]):
    """A tool as clients see it, and what it does."""

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    result: type[BaseModel]
    run: Callable[[Arguments, Caller], Awaitable[Given]]

    async def call(self, arguments: Mapping[str, Any], caller: Caller) -> Given:
        """Check the arguments and run.

        Raises:
            InvalidInput: an argument is missing, unknown or wrong.
            CitewellError: whatever the use case raises.
        """
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise InvalidInput(_explain(error)) from error
        return await self.run(checked, caller)


class Toolbox:
    """The tools, on the process's use cases."""

    def __init__(
        self,
        *,
        database: Database,
        retriever: Retriever,
        answerer: RecordedAnswerer,
        pages: PageTexts,
        pictures: PagePictures,
    ) -> None:
        """Take the use cases."""
        self._database = database
        self._retriever = retriever
        self._answerer = answerer
        self.pages = pages
        self.pictures = pictures

    @property
    def tools(self) -> Sequence[Tool[Any]]:
        """Every tool."""
        return (
            Tool(
                "search",
                "Search documents",
                "Find the passages of a collection that fit best, with document, page and score.",
                SearchArguments,
                SearchResponse,
                self._search,
            ),
            Tool(
                "ask",
                "Ask documents",
                "Answer a question from a collection's passages alone. Each statement has its"
                " source and an exact quote; where nothing answers it, it says so.",
                AskArguments,
                QueryResponse,
                self._ask,
            ),
            Tool(
                "list_collections",
                "List collections",
                "List what can be searched, with the attributes that filters may name.",
                ListCollectionsArguments,
                CollectionsResult,
                self._list_collections,
            ),
            Tool(
                "get_document_page",
                "Read a page",
                "Read a page of a document as text and, where it can be drawn, see it with a"
                " passage marked: to check what a citation stands next to.",
                GetPageArguments,
                PageResult,
                self._get_page,
            ),
        )

    def named(self, name: str) -> Tool[Any]:
        """Return a tool.

        Raises:
            NotFound: there is none of that name.
        """
        for tool in self.tools:
            if tool.name == name:
                return tool
        raise NotFound(f"There is no tool `{name}`.")

    async def aclose(self) -> None:
        """Close the connections to what draws pages."""
        await self.pictures.aclose()

    async def _search(self, wish: SearchArguments, caller: Caller) -> Given:
        query = SearchQuery(
            tenant_id=caller.tenant_id,
            text=wish.query,
            collection=wish.collection,
            limit=wish.limit,
            mode=wish.mode,
            filters=wish.filters,
            distinct=True,
            max_per_document=wish.max_per_document,
        )
        found = await self._retriever.search(query)
        links = wording.hit_links(found)
        return Given(wording.found_in_words(found), SearchResponse.of(found), links)

    async def _ask(self, wish: AskArguments, caller: Caller) -> Given:
        question = Question(
            answer_id=new_id(),
            tenant_id=caller.tenant_id,
            text=wish.question,
            collection=wish.collection,
            context_limit=wish.context_limit,
            filters=wish.filters,
            asked_by=caller.principal.subject,
        )
        answer = await self._answerer.answer(question)
        links = wording.claim_links(answer)
        return Given(wording.answer_in_words(answer), QueryResponse.of(answer), links)

    async def _list_collections(self, wish: ListCollectionsArguments, caller: Caller) -> Given:
        after, limit = text_after(wish.cursor), COLLECTIONS_A_PAGE
        async with self._database.tenant(caller.tenant_id) as connection:
            listed = await Collections(connection).listed(after=after, limit=limit + 1)
        rows, more = page(listed, limit)
        result = CollectionsResult(
            items=[CollectionItem.model_validate(row, from_attributes=True) for row in rows],
            next_cursor=cursor_of(rows[-1].name) if more else None,
        )
        return Given(wording.collections_in_words(result), result)

    async def _get_page(self, wish: GetPageArguments, caller: Caller) -> Given:
        text = await self.pages.page(
            caller.tenant_id, wish.document_id, wish.page, from_ordinal=wish.from_ordinal
        )
        first = text.chunks[0]
        place = Place(wish.document_id, first.version, wish.page, wish.chunk_id)
        drawn = await self.pictures.draw(place, caller) if wish.picture else None
        result = PageResult(
            document_id=wish.document_id,
            version=first.version,
            filename=first.filename,
            page=wish.page,
            text=text.text,
            chunk_ids=[chunk.id for chunk in text.chunks],
            next_ordinal=text.next_ordinal,
            picture=isinstance(drawn, bytes),
            picture_problem=None if isinstance(drawn, bytes) else drawn,
        )
        links = wording.links_to((chunk, wish.page) for chunk in text.chunks)
        picture = drawn if isinstance(drawn, bytes) else None
        return Given(wording.page_in_words(result), result, links, picture)


def _explain(error: ValidationError) -> str:
    """Name each argument that is wrong and why, without what was sent."""
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10]]
    return "; ".join(told)
