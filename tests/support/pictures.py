"""Pictures of text, made here: what a scanner, a camera or a screenshot would give."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

PAGE = (1240, 900)
TURBINES = ("Delivery of the seven turbines", "was delayed by the storm.")


def writing(
    lines: Sequence[str] = TURBINES, *, size: tuple[int, int] = PAGE, height: int = 48
) -> Image.Image:
    """Return black lines on white."""
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(height)
    for number, line in enumerate(lines):
        pen.text((80, 80 + number * 1.4 * height), line, fill="black", font=font)
    return image


def noise(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Return what has edges and shades, and nothing to read."""
    return Image.effect_noise(size, 90).convert("RGB")


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return the bytes of a picture file."""
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


Page = Image.Image | str | tuple[Image.Image, str] | None


def scan(path: Path, pages: Sequence[Page]) -> Path:
    """Write a PDF; a page is a picture, a text in a font, both, or nothing."""
    document = FPDF(unit="pt", format=(620, 450))
    document.set_auto_page_break(auto=False)
    document.set_font("helvetica", size=11)
    for page in pages:
        document.add_page()
        for shown in page if isinstance(page, tuple) else (page,):
            if isinstance(shown, str):
                document.multi_cell(w=0, text=shown)
            elif shown is not None:
                document.image(shown, x=0, y=0, w=620, h=450)
    document.output(str(path))
    return path
