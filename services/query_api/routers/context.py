"""What routes are handed: the caller, and the use cases of the process context."""

from typing import Annotated

from fastapi import Depends, Request

from services.query_api.audit.answering import RecordedAnswerer
from services.query_api.audit.reading import TrailReader
from services.query_api.quality.watch import QualityWatch
from services.query_api.retrieval.compare import Comparer
from services.query_api.retrieval.search import Retriever
from shared.auth.principal import Principal, Scope
from shared.web.security import require


def _retriever(request: Request) -> Retriever:
    retriever: Retriever = request.app.state.context.retriever
    return retriever


def _comparer(request: Request) -> Comparer:
    comparer: Comparer = request.app.state.context.comparer
    return comparer


def _answerer(request: Request) -> RecordedAnswerer:
    answerer: RecordedAnswerer = request.app.state.context.answerer
    return answerer


def _trail(request: Request) -> TrailReader:
    reader: TrailReader = request.app.state.context.trail_reader
    return reader


def _watch(request: Request) -> QualityWatch:
    watch: QualityWatch = request.app.state.context.watch
    return watch


Asker = Annotated[Principal, Depends(require(Scope.QUERY))]
Admin = Annotated[Principal, Depends(require(Scope.ADMIN))]
Searching = Annotated[Retriever, Depends(_retriever)]
Comparing = Annotated[Comparer, Depends(_comparer)]
Answering = Annotated[RecordedAnswerer, Depends(_answerer)]
Reading = Annotated[TrailReader, Depends(_trail)]
Watching = Annotated[QualityWatch, Depends(_watch)]
