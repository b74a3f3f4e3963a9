"""Picture files: frames as pages, what is refused, what is shown."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.ingest_worker.parsing.base import Drawing, OcrOrder, Parsed, Source
from services.ingest_worker.parsing.ocr.images import PART_PAGES
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt, FileTooLarge, NotFound, TypeUnsupported
from shared.models import Box
from tests.support.pictures import TURBINES, encoded, noise, writing

SENTENCE = " ".join(TURBINES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def read(path: Path, content: bytes, name: str = "a.png", engine: str = "auto") -> Parsed:
    path.write_bytes(content)
    order = OcrOrder(engine=engine)  # type: ignore[arg-type]
    return Parsers().parse(Source(path, name, ocr=order), None)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PNG", "a.png"),
        ("JPEG", "a.jpg"),
        ("TIFF", "a.tif"),
        ("GIF", "a.gif"),
        ("BMP", "a.bmp"),
        ("WEBP", "a.webp"),
    ],
)
def test_every_kind_of_picture_is_read(path: Path, kind: str, name: str) -> None:
    parsed = read(path, encoded(writing(), kind), name)
    assert [one.text for one in parsed.elements] == [SENTENCE]
    assert [(one.code, one.page) for one in parsed.warnings] == [("page_ocred", 1)]
    box = parsed.elements[0].box
    assert box is not None
    assert 65 < box.x0 < 90
    assert 600 < box.x1 < 900


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_read(path: Path, mode: str) -> None:
    image = writing()
    if mode == "I;16":
        grey = np.asarray(image.convert("L"), dtype=np.uint16)
        image = Image.fromarray(grey * 40)
    else:
        image = image.convert(mode)
    parsed = read(path, encoded(image, "TIFF"), "a.tif")
    assert [one.text for one in parsed.elements] == [SENTENCE]


def test_what_is_transparent_is_paper(path: Path) -> None:
    image = writing().convert("RGBA")
    clear = np.asarray(image).copy()
    clear[clear[:, :, 0] > 250] = (0, 0, 0, 0)
    parsed = read(path, encoded(Image.fromarray(clear)))
    assert [one.text for one in parsed.elements] == [SENTENCE]


def test_small_pictures_are_enlarged(path: Path) -> None:
    small = writing(size=(1240, 300)).resize((413, 100), Image.Resampling.LANCZOS)
    parsed = read(path, encoded(small))
    assert [one.text for one in parsed.elements] == [SENTENCE]
    box = parsed.elements[0].box
    assert box is not None
    assert 20 < box.x0 < 35
    assert 180 < box.x1 < 300


def test_frames_of_a_tiff_are_pages(path: Path) -> None:
    frames = [writing(["Second page, here it is."]), Image.new("RGB", (300, 300), "white")]
    content = encoded(writing(), "TIFF", save_all=True, append_images=frames)
    parsed = read(path, content, "a.tiff")
    assert [(one.page, one.text) for one in parsed.elements] == [
        (1, SENTENCE),
        (2, "Second page, here it is."),
    ]
    assert [(one.code, one.page, one.last_page) for one in parsed.warnings] == [
        ("page_ocred", 1, 2),
        ("page_without_text", 3, None),
    ]
    plan = Parsers().plan(Source(path, "a.tiff"))
    assert (plan.pages, plan.part_pages) == (3, PART_PAGES)
    window = Parsers().parse(Source(path, "a.tiff"), range(2, 3))
    assert [one.page for one in window.elements] == [2]


def test_of_an_animation_the_first_picture_is_read_and_the_rest_told(path: Path) -> None:
    content = encoded(writing(), "GIF", save_all=True, append_images=[noise(), noise((99, 99))])
    parsed = read(path, content, "a.gif")
    assert [one.text for one in parsed.elements] == [SENTENCE]
    assert [one.code for one in parsed.warnings] == ["page_ocred", "truncated"]
    assert Parsers().plan(Source(path, "a.gif")).pages == 1


def test_a_camera_held_on_its_side_is_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(writing().rotate(90, expand=True), "JPEG", exif=exif)
    parsed = read(path, content, "a.jpg")
    assert [one.text for one in parsed.elements] == [SENTENCE]
    assert parsed.elements[0].box is not None
    assert parsed.elements[0].box.y1 < 250


def test_without_an_engine_it_says_so(path: Path) -> None:
    parsed = read(path, encoded(writing()), engine="off")
    assert parsed.elements == []
    assert [one.code for one in parsed.warnings] == ["page_without_text"]


def test_too_many_pixels_are_too_large(path: Path) -> None:
    content = encoded(Image.new("1", (20_000, 10_000)))
    assert len(content) < 100_000
    with pytest.raises(FileTooLarge, match="20000 × 10000"):  # noqa: RUF001
        read(path, content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP"])
def test_a_picture_cut_short_is_corrupt(path: Path, kind: str) -> None:
    content = encoded(noise(), kind)
    with pytest.raises(FileCorrupt):
        read(path, content[: len(content) // 2])


def test_a_page_is_drawn_with_its_marks(path: Path) -> None:
    path.write_bytes(encoded(Image.new("RGB", (800, 400), "white")))
    marks = (Box(page=1, x0=100, y0=100, x1=300, y1=200),)
    drawn = Parsers().draw(Source(path, "a.png"), Drawing(1, marks, 400))
    with Image.open(io.BytesIO(drawn)) as image:
        assert (image.format, image.size) == ("PNG", (400, 200))
        assert image.getpixel((100, 75)) != (255, 255, 255)
        assert image.getpixel((10, 10)) == (255, 255, 255)
        assert image.getpixel((300, 75)) == (255, 255, 255)


def test_pages_that_are_not_there_or_have_no_looks(path: Path) -> None:
    path.write_bytes(encoded(noise()))
    with pytest.raises(NotFound, match="no page 2"):
        Parsers().draw(Source(path, "a.png"), Drawing(2, (), 400))
    path.write_text("words")
    with pytest.raises(TypeUnsupported, match="drawn"):
        Parsers().draw(Source(path, "a.txt"), Drawing(1, (), 400))
