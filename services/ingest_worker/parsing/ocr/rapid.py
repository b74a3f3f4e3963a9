"""RapidOCR: PaddleOCR's models, carried in a wheel and run by onnxruntime; needs no program.

It knows lines and their corners, no paragraphs: those are made next door.
"""

from importlib import import_module, metadata, util
from typing import Any

from services.ingest_worker.parsing.ocr.base import OcrFailed, OcrLine, Picture
from services.ingest_worker.parsing.ocr.layout import in_reading_order
from services.ingest_worker.parsing.ocr.pictures import image_of

PACKAGE = "rapidocr"
_SETTINGS = {
    "Global.log_level": "critical",
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


class RapidOcrEngine:
    """Reads pictures in this process; the models are loaded with the first."""

    def __init__(self) -> None:
        self._reader: Any = None

    @property
    def name(self) -> str:
        """The package and its version."""
        return f"{PACKAGE} {metadata.version(PACKAGE)}"

    def read(self, picture: Picture, language: str | None, timeout_s: float) -> list[OcrLine]:
        """Return the lines; one model knows all its languages, and nothing stops it."""
        del language, timeout_s
        try:
            found = self._loaded()(image_of(picture))
        except MemoryError:
            raise
        except Exception as error:
            raise OcrFailed(f"RapidOCR failed: {type(error).__name__}.") from error
        if found.txts is None or found.boxes is None:
            return []
        boxes = [[(float(x), float(y)) for x, y in corners] for corners in found.boxes]
        scores = [_sureness(float(score)) for score in found.scores]
        return in_reading_order(list(zip(found.txts, boxes, scores, strict=True)))

    def _loaded(self) -> Any:
        if self._reader is None:
            # A second and 100 MB: not for those who send no pictures.
            self._reader = import_module(PACKAGE).RapidOCR(params=_SETTINGS)
        return self._reader


def _sureness(score: float) -> float:
    """Return a score as other engines mean it: half is this one's least, a photograph gets 0.77."""
    return max(0.0, 2.0 * score - 1.0)


def find_rapidocr() -> RapidOcrEngine | None:
    """Return the engine if its package is installed."""
    return RapidOcrEngine() if util.find_spec(PACKAGE) else None
