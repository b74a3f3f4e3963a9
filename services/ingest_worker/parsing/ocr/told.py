"""Says once, when a parse worker starts, which OCR engine reads its pictures of text."""

import asyncio

import structlog

from services.ingest_worker.parsing.base import OcrOrder
from services.ingest_worker.parsing.process import ParserProcess
from services.ingest_worker.scratch import ScratchFolder
from shared.errors import CitewellError
from shared.settings import IngestSettings

# Starting a parser process and two calls of a program; a busy machine is slow.
FIND_S = 30.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def tell_ocr_engine(settings: IngestSettings) -> None:
    """Log which engine is found, from inside the cell: what lies there may not be allowed there.

    A worker without one starts all the same: few files are pictures.
    """
    if settings.ocr == "off":
        log.info("ocr_engine", engine=None, detail="CITEWELL_INGEST_OCR is off.")
        return
    try:
        found = asyncio.run(_find(settings))
    except CitewellError as error:
        log.warning("ocr_engine", engine=None, detail=error.detail)
        return
    programs = [str(path) for path in settings.parser_programs if path.is_file()]
    tell = log.info if found else log.warning
    tell("ocr_engine", engine=found, asked_for=settings.ocr_engine, programs=programs)


async def _find(settings: IngestSettings) -> str | None:
    order = OcrOrder(engine=settings.ocr_engine, programs=settings.parser_programs)
    scratch = ScratchFolder()
    parser = ParserProcess(settings, scratch.path)
    try:
        return await parser.find_engine(order, timeout_s=FIND_S)
    finally:
        await parser.aclose()
        await asyncio.to_thread(scratch.remove)
