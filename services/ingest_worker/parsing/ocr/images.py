"""Picture files: each frame of a TIFF is a page, and what can be read in it is its text."""

from functools import partial

from PIL import Image

from services.ingest_worker.parsing.base import Drawing, Parsed, Source
from services.ingest_worker.parsing.detect import PICTURES
from services.ingest_worker.parsing.ocr.base import Picture
from services.ingest_worker.parsing.ocr.engines import PictureReader
from services.ingest_worker.parsing.ocr.pictures import (
    frames,
    marked_png,
    opened,
    picture_of,
    upright,
)
from shared.models import Element, JobWarning

# More pixels than this along a side tell an engine nothing new; fewer than that are doubled.
LONGEST, SMALL = 4000, 1300
PART_PAGES = 10
_PAGED = "TIFF"
# A camera's second picture is a preview or a depth map, which nobody is shown.
_ONE = frozenset({"MPO", _PAGED})


class ImageParser:
    """Reads pictures with the OCR engine there is; a point of a picture's page is a pixel."""

    name = "images/1"
    media_types = PICTURES

    def plan(self, source: Source) -> int:
        """Count the frames of a TIFF; an animation is one page."""
        with opened(source.path) as image:
            return _pages(image)

    def part_pages(self, source: Source) -> int | None:
        """Every page is read by eye, so to speak."""
        del source
        return PART_PAGES

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the frames of a window; those without text are warned about."""
        reader = PictureReader(source.ocr)
        elements: list[Element] = []
        warnings: list[JobWarning] = []
        with opened(source.path) as image:
            count = _pages(image)
            window = pages or range(1, count + 1)
            window = range(window.start, min(window.stop, count + 1))
            for page in window:
                read = reader.read(partial(_picture, image, page), page)
                elements.extend(read.elements)
                warnings.append(read.warning)
            warnings.extend(_left_out(image))
        return Parsed(elements, len(window), warnings)

    def draw(self, source: Source, drawing: Drawing) -> bytes | None:
        """Return a frame as PNG, what is wanted of it marked."""
        with opened(source.path) as image:
            if drawing.page > _pages(image):
                return None
            frame, ratio = upright(image, drawing.page - 1, drawing.longest)
            return marked_png(frame, drawing.marks, 1 / ratio)


def _pages(image: Image.Image) -> int:
    return frames(image) if image.format == _PAGED else 1


def _picture(image: Image.Image, page: int) -> Picture:
    frame, ratio = upright(image, page - 1, LONGEST)
    if max(frame.size) < SMALL:
        doubled = (2 * frame.width, 2 * frame.height)
        return picture_of(frame.resize(doubled, Image.Resampling.BICUBIC), ratio / 2)
    return picture_of(frame, ratio)


def _left_out(image: Image.Image) -> list[JobWarning]:
    if image.format in _ONE or frames(image) == 1:
        return []
    detail = f"It is an animation of {frames(image)} pictures; the first was read."
    return [JobWarning(code="truncated", detail=detail)]
