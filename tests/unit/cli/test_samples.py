"""The samples: as shipped, as made, and as the questions need them."""

from pathlib import Path

import pytest

from citewell.samples import DOCUMENTS, SampleQuestion, questions
from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.models import Element, ElementKind
from tests.support.make_samples import MADE, make, members

MIB = 1024 * 1024
PARSERS = Parsers()
NAMES = sorted(str(path.relative_to(DOCUMENTS)) for path in DOCUMENTS.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", MADE)
def test_a_made_sample_is_what_is_shipped(name: str) -> None:
    """Mend it with `python -m tests.support.make_samples`."""
    shipped = (DOCUMENTS / name).read_bytes()
    if name.endswith(".docx"):
        assert members(make(name)) == members(shipped)
    else:
        assert make(name) == shipped


def test_there_are_at_least_twelve_files_in_five_formats_and_all_are_small() -> None:
    assert len(NAMES) >= 12
    assert {Path(name).suffix for name in NAMES} == {".txt", ".md", ".html", ".docx", ".pdf"}
    assert sum((DOCUMENTS / name).stat().st_size for name in NAMES) < MIB


def test_the_manual_has_more_than_thirty_pages_with_headings() -> None:
    elements = read("manuals/lumenar-40-manual.pdf")
    assert max(element.page for element in elements) >= 30
    assert sum(element.kind is ElementKind.TITLE for element in elements) >= 30


def test_three_questions_have_an_answer_and_one_has_none() -> None:
    answered = [one for one in questions() if one.source]
    assert len(answered) == 3
    assert len(questions()) == 4
    assert {one.filename for one in answered} <= set(NAMES)


@pytest.mark.parametrize("asked", [one for one in questions() if one.source], ids=str)
def test_the_fact_asked_for_stands_on_one_page_alone(asked: SampleQuestion) -> None:
    texts = {
        (name, element.page): element.text
        for name in NAMES
        for element in read(name)
        if str(asked.fact) in " ".join(element.text.split())
    }
    assert set(texts) == {(asked.filename, asked.page)}


def read(name: str) -> list[Element]:
    """Read a sample as the ingest service does."""
    return list(PARSERS.parse(Source(DOCUMENTS / name, name), None).elements)
