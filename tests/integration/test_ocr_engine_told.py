"""Which OCR engine reads: what the settings allow, found from inside a real parser process."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.ingest_worker.parsing.base import OcrOrder, Source
from services.ingest_worker.parsing.ocr.told import tell_ocr_engine
from services.ingest_worker.parsing.process import ParserProcess
from services.ingest_worker.parsing.sandbox.confine import isolation_here
from services.ingest_worker.scratch import PREFIX
from shared.settings import IngestSettings
from tests.support.pictures import encoded, writing

TESSERACT = shutil.which("tesseract")
HELD = sys.platform == "linux" and isolation_here().level == "full"
pytestmark = pytest.mark.skipif(not HELD, reason="programs are started where Landlock holds them")
needs_tesseract = pytest.mark.skipif(TESSERACT is None, reason="tesseract is not installed")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Tesseract's program in a folder nobody would look in."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "tesseract"
    path.symlink_to(TESSERACT or "nowhere")
    return path


Told = Callable[..., dict[str, object]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def tell(**settings: object) -> dict[str, object]:
        with capture_logs() as logs:
            tell_ocr_engine(IngestSettings.model_validate(settings))
        [line] = logs
        assert not list(tmp_path.glob(f"{PREFIX}*"))
        return dict(line)

    return tell


@needs_tesseract
def test_tesseract_reads_wherever_the_setting_says_it_lies(told: Told, elsewhere: Path) -> None:
    line = told(parser_programs=(elsewhere,))
    assert str(line["engine"]).startswith("tesseract ")
    assert (line["event"], line["log_level"]) == ("ocr_engine", "info")
    assert line["programs"] == [str(elsewhere)]


@pytest.mark.parametrize("programs", [(), (Path("/usr/bin/true"),)])
def test_what_is_not_allowed_is_not_looked_for(told: Told, programs: tuple[Path, ...]) -> None:
    assert str(told(parser_programs=programs)["engine"]).startswith("rapidocr ")
    line = told(parser_programs=programs, ocr_engine="tesseract")
    assert (line["engine"], line["log_level"]) == (None, "warning")


def test_no_ocr_is_told_without_a_look(told: Told) -> None:
    assert told(ocr="off")["detail"] == "CITEWELL_INGEST_OCR is off."


def test_a_cell_that_cannot_be_had_is_told(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest_worker.parsing.process.CHILD", "services.no_such_module")
    line = told()
    assert (line["engine"], line["log_level"]) == (None, "warning")
    assert "died" in str(line["detail"])


@needs_tesseract
async def test_a_page_is_read_by_the_engine_that_was_told_of(
    tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / "a.png").write_bytes(encoded(writing()))
    settings = IngestSettings(parser_programs=(elsewhere,))
    order = OcrOrder(programs=settings.parser_programs)
    parser = ParserProcess(settings, tmp_path)
    try:
        found = await parser.find_engine(order, timeout_s=30)
        source = Source(tmp_path / "a.png", "a.png", ocr=order)
        [warning] = (await parser.parse(source, timeout_s=60)).warnings
    finally:
        await parser.aclose()
    assert warning.code == "page_ocred"
    assert f"was read by {found}" in warning.detail
    assert str(found).startswith("tesseract ")
