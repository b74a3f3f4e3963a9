"""Pillow's one door here: picture files opened with care, pages marked and turned into PNG."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from services.ingest_worker.parsing.ocr.base import Picture
from shared.errors import FileTooLarge
from shared.models import Box

FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")
# An A1 sheet at 300 dpi has 70 million.
MAX_PIXELS = 120_000_000
MARK_FILL, MARK_EDGE = (255, 210, 0, 70), (230, 120, 0, 255)
MARK_MARGIN = 1.5
WHITE = "white"

# Our own limit is checked as soon as the size is known; Pillow's would only warn.
Image.MAX_IMAGE_PIXELS = None


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture file; its pixels are read when first needed.

    Raises:
        FileTooLarge: it has more pixels than is allowed.
    """
    with Image.open(path, formats=FORMATS) as image:
        _check(image)
        yield image


def frames(image: Image.Image) -> int:
    """Return the number of pictures in the file."""
    return int(getattr(image, "n_frames", 1))


def upright(image: Image.Image, number: int, longest: int) -> tuple[Image.Image, float]:
    """Return a frame (from 0) in colour on white, as its camera says it is held.

    Returns:
        The frame, no longer than `longest`, and how many of the file's pixels one of its is.
    """
    image.seek(number)
    _check(image)
    length = max(image.size)
    if number == 0 and length > longest:
        # Of a JPEG a smaller picture is decoded: a quarter of the time and memory.
        image.draft("RGB", (longest, longest))
    frame = _coloured(ImageOps.exif_transpose(image))
    if max(frame.size) > longest:
        frame.thumbnail((longest, longest))
    return frame, length / max(frame.size)


def picture_of(frame: Image.Image, points: float) -> Picture:
    """Return the pixels of a frame in colour."""
    return Picture(frame.tobytes(), frame.width, frame.height, points)


def image_of(picture: Picture) -> Image.Image:
    """Return what `picture_of` was given."""
    return Image.frombytes("RGB", (picture.width, picture.height), picture.pixels)


def marked_png(image: Image.Image, boxes: Iterable[Box], scale: float) -> bytes:
    """Return the image as PNG with boxes marked; `scale` is its pixels to a point."""
    layer = Image.new("RGBA", image.size)
    pen = ImageDraw.Draw(layer)
    for box in boxes:
        x0, x1 = sorted((box.x0, box.x1))
        y0, y1 = sorted((box.y0, box.y1))
        corners = (x0 - MARK_MARGIN, y0 - MARK_MARGIN, x1 + MARK_MARGIN, y1 + MARK_MARGIN)
        place = [corner * scale for corner in corners]
        pen.rectangle(place, fill=MARK_FILL, outline=MARK_EDGE, width=2)
    written = BytesIO()
    marked = Image.alpha_composite(image.convert("RGBA"), layer)
    marked.convert("RGB").save(written, "PNG", compress_level=6)
    return written.getvalue()


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width} × {image.height}"  # noqa: RUF001 - a size
        raise FileTooLarge(f"The picture has {size} pixels, more than is allowed.")


def _coloured(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _levelled(image)
    if image.mode in {"P", "PA"}:
        image = image.convert("RGBA")
    if image.mode in {"RGBA", "LA", "RGBa", "La"}:
        paper = Image.new("RGBA", image.size, WHITE)
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert("RGB")


def _levelled(image: Image.Image) -> Image.Image:
    """Return a picture of 16 or 32 bits a pixel in 256 shades, from its darkest to its lightest."""
    values = image.convert("F")
    low, high = values.getextrema()
    if not isinstance(low, float) or not isinstance(high, float) or not low < high:
        return Image.new("L", image.size, 255)
    step = 255.0 / (high - low)
    # Such a picture takes no other function than one of the form `value * a + b`.
    return values.point(lambda value: value * step - low * step).convert("L")
