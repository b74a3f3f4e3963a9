"""Files made to take quadratic time are read in a time that grows with their size."""

import time
from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.detect import detect
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.json_data import MAX_PATH_CHARS
from services.ingest_worker.parsing.text.markdown import read_markdown

CHARS = 150_000
# Each took more than 20 s when the time was quadratic; it takes less than 1 s on an idle machine.
MOST_CPU_S = 8.0


def filled(unit: str) -> str:
    return unit * (CHARS // len(unit))


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("x.md", filled("["), CHARS),
        ("x.md", filled("!["), CHARS),
        ("x.md", filled("[[]"), CHARS),
        ("x.md", filled("[`]`"), CHARS // 2),
        ("x.md", filled('[a](b "'), CHARS - 7),
        ("x.md", filled("[" * 300 + "\n\n"), CHARS - 2000),
        ("x.md", "[a]: b\n\n" + filled("[") + filled("]"), 2 * CHARS),
        ("x.md", "![" * 20_000 + "](b)" * 20_000, 119_000),
        ("x.rst", filled("**a "), CHARS - 4),
        ("x.rst", filled(":a"), CHARS - 2),
        ("x.rst", f"`a{filled(' ')}b", 3),
        ("x.rst", filled("=== ===\na\n\n"), CHARS // 11),
        ("x.rst", filled("+-+\n\n"), 0),
        ("x.rst", "=== ===\n" + filled("a   b\n") + "=== ===\n", CHARS // 2),
        ("x.html", "<p " + " ".join(f"a{at}" for at in range(CHARS)) + ">seen", 4),
        ("x.html", "<p " + "".join(f"a{at}='>'" for at in range(CHARS)) + ">seen", 4),
        ("x.html", "<p " + "/".join(f"a{at}" for at in range(CHARS)) + ">seen", 4),
        ("x.xml", "<?xml version='1.0'?>" + filled("<?a?> ") + "<r>seen</r>", 4),
        ("x.xml", "<?xml version='1.0'?>" + filled("<!-- -->") + "<r>seen</r>", 4),
    ],
)
def test_no_text_takes_quadratic_time_and_none_of_it_is_lost(
    tmp_path: Path, name: str, text: str, seen: int
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    start = time.process_time()
    parsed = Parsers().parse(Source(path, name), None)
    assert time.process_time() - start < MOST_CPU_S
    assert sum(len(element.text) for element in parsed.elements) >= seen


def test_a_type_is_told_at_once_whatever_comments_stand_first(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text("<!-- -->" * 2000 + "<r/>", encoding="utf-8")
    start = time.process_time()
    assert detect(path, "x.xml").media_type == "application/xml"
    assert time.process_time() - start < 1


def test_a_long_key_is_said_once_and_not_before_each_value(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    key = "k" * 5000
    records = ", ".join('{"a": 1}' for _ in range(1000))
    path.write_text(f'{{"{key}": [{records}]}}', encoding="utf-8")
    parsed = Parsers().parse(Source(path, "x.json"), None)
    text = "\n".join(element.text for element in parsed.elements)
    assert text.count(key) == 1
    assert len(text) < 1010 * (MAX_PATH_CHARS + 20) + len(key)


def test_a_long_list_of_links_is_still_links() -> None:
    links = ", ".join(f'[page {at}](http://a.example/{at} "Page {at}")' for at in range(3000))
    (element,) = read_markdown(links)
    assert element.text == ", ".join(f"page {at}" for at in range(3000))


def test_references_and_pictures_are_read_as_before() -> None:
    text = '[one] and ![two](b "t") and [`x]`](c)\n\n[one]: http://a.example "of\ntwo lines"\n'
    (element,) = read_markdown(text)
    assert element.text == "one and two and x]"


def test_a_tag_of_many_words_keeps_the_text_around_it(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    many = " ".join(f"a{at}='<'" for at in range(3000))
    path.write_text(f"<p>before</p><p {many}>in</p><p title='a > b'>after</p>", encoding="utf-8")
    parsed = Parsers().parse(Source(path, "x.html"), None)
    assert [element.text for element in parsed.elements] == ["before", "in", "after"]
