"""The Python client of Citewell's wire contract: `Client` blocks, `AsyncClient` awaits.

>>> from citewell.client import Client
>>> with Client("http://127.0.0.1:8080", key="...") as client:  # doctest: +SKIP
...     client.upload(["handbook.pdf"])
...     print(client.ask("How long is the warranty?").answer)
"""

from citewell.client.answer_models import Answer, Citation, Feedback, Turn
from citewell.client.asynchronous import AsyncClient
from citewell.client.blocking import Client
from citewell.client.errors import (
    AnswerNotUnderstood,
    ClientError,
    FileUnreadable,
    ProblemError,
    ServerUnreachable,
)
from citewell.client.models import (
    Batch,
    BatchEvent,
    Collection,
    Diagnosis,
    Document,
    File,
    Job,
    Page,
    PlacedChunk,
    Readiness,
    RetriedJobs,
    UploadedFile,
    UploadResult,
    Usage,
    Version,
)
from citewell.client.retries import Patience
from citewell.client.search_models import Hit, SearchResult

__all__ = [
    "Answer",
    "AnswerNotUnderstood",
    "AsyncClient",
    "Batch",
    "BatchEvent",
    "Citation",
    "Client",
    "ClientError",
    "Collection",
    "Diagnosis",
    "Document",
    "Feedback",
    "File",
    "FileUnreadable",
    "Hit",
    "Job",
    "Page",
    "Patience",
    "PlacedChunk",
    "ProblemError",
    "Readiness",
    "RetriedJobs",
    "SearchResult",
    "ServerUnreachable",
    "Turn",
    "UploadResult",
    "UploadedFile",
    "Usage",
    "Version",
]
