"""The wire of the OpenAI-compatible door, as OpenAI's clients send and read it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from services.query_api.schemas.base import CollectionName, Fraction, Request, Text1000
from services.query_api.schemas.query import QueryResponse

# Most queries of one search; each is a search of its own.
MOST_QUERIES = 8
# The configured providers in order, an extract where all of them fail.
DEFAULT_MODEL = "citewell"
StoreId = Annotated[str, StringConstraints(max_length=100)]
One = Annotated[float, Field(ge=1, le=1)]
Zero = Annotated[float, Field(ge=0, le=0)]


class RankingOptions(Request):
    """How results are ranked."""

    ranker: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="`none` and `auto`: as `/v1/search` does; else reranked."
    )
    score_threshold: Fraction | None = Field(
        default=None, description="Leave out what is less relevant."
    )

    @property
    def reranks(self) -> bool:
        """Whether a cross-encoder is to reorder the best."""
        return self.ranker not in (None, "none", "auto")


class Sought(Request):
    """How a store is searched."""

    filters: dict[str, Any] | None = Field(
        default=None, description='Such as `{"type": "gte", "key": "year", "value": 2020}`.'
    )
    ranking_options: RankingOptions | None = None


class VectorStoreSearchRequest(Sought):
    """A search of one store."""

    query: Text1000 | Annotated[list[Text1000], Field(min_length=1, max_length=MOST_QUERIES)]
    max_num_results: int = Field(default=10, ge=1, le=50)
    rewrite_query: Literal[False] | None = Field(
        default=None, description="Queries are searched as they are sent."
    )

    @property
    def queries(self) -> list[str]:
        """What is searched for, once each."""
        sent = [self.query] if isinstance(self.query, str) else self.query
        return list(dict.fromkeys(sent))


class TextContent(BaseModel):
    """A chunk's text."""

    type: Literal["text"] = "text"
    text: str


class VectorStoreSearchResult(BaseModel):
    """A chunk that was found."""

    file_id: str
    filename: str
    score: float = Field(description="Relevance in [0, 1].")
    attributes: dict[str, Any]
    content: list[TextContent]


class VectorStoreSearchPage(BaseModel):
    """What was found, best first."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[VectorStoreSearchResult]
    has_more: bool = False
    next_page: None = None


class ModelObject(BaseModel):
    """A model that answers."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "citewell"


class ModelList(BaseModel):
    """The models that answer."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


class TextPart(Request):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class Grounds(Sought):
    """What an answer may rest on."""

    vector_store_ids: Annotated[list[StoreId], Field(min_length=1, max_length=1)] | None = None
    collection: CollectionName | None = Field(
        default=None, description="A collection by its name, in the place of a store."
    )
    max_num_results: int = Field(default=5, ge=1, le=20, description="Most passages.")


class FileSearchTool(Grounds):
    """Where to search, as a tool."""

    type: Literal["file_search"]


class StreamOptions(Request):
    """What a stream tells."""

    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None


class PlainText(Request):
    """The form of answers."""

    type: Literal["text"] = "text"


class ChatRequest(Grounds):
    """A question, as a chat.

    Only what is known here may be sent; of the rest of OpenAI's fields those that ask for what is
    done anyway are taken, too.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    tools: Annotated[list[FileSearchTool], Field(max_length=1)] | None = None
    temperature: Fraction | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    top_p: One | None = None
    frequency_penalty: Zero | None = None
    presence_penalty: Zero | None = None
    logprobs: Literal[False] | None = None
    store: Literal[False] | None = None
    response_format: PlainText | None = None
    tool_choice: Literal["auto", "required"] | None = None
    parallel_tool_calls: bool | None = Field(default=None, description="Says nothing here.")
    user: str | None = Field(default=None, description="Not noted.")
    safety_identifier: str | None = Field(default=None, description="Not noted.")
    metadata: dict[str, str] | None = Field(default=None, description="Not noted.")


class UrlCitation(BaseModel):
    """Where a source stands in the text, and what it leads to."""

    start_index: int
    end_index: int = Field(description="Behind its last character.")
    title: str = Field(description="The file's name.")
    url: str = Field(description="The cited chunk, a path of this server.")


class FileCitation(BaseModel):
    """What a source says, word for word."""

    file_id: str
    filename: str
    page: int
    quote: str
    document_id: str
    chunk_id: str
    score: float


class Annotation(BaseModel):
    """A source of the answer."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation
    file_citation: FileCitation


class AssistantMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: list[Annotation]


class ChatChoice(BaseModel):
    """The one answer."""

    index: Literal[0] = 0
    message: AssistantMessage
    finish_reason: Literal["stop", "length"] = "stop"
    logprobs: None = None


class ChatUsage(BaseModel):
    """Tokens the provider counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """An answer; `citewell` has what `/v1/query` would tell of it."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
    citewell: QueryResponse
