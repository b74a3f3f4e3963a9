"""HTML."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.html import read_html
from shared.models import ElementKind

PAGE = """<!DOCTYPE html>
<html><head><title>The page</title><style>p{color:red}</style><script>alert(1)</script></head>
<body><nav><a href="/">Home</a></nav>
<h2>A   <em>heading</em></h2>
loose text
<p>One<br>two <b>bo</b>ld<!-- no -->.</p>
<ul><li>first</li><li>second<ul><li>inner</li></ul></li></ul>
<dl><dt>term</dt><dd>meaning</dd></dl>
<pre>  x = 1

  y = 2
</pre>
<table><caption>Numbers</caption><thead><tr><th>a</th><th>b</th></tr></thead>
<tr><td><p>1</p><p>2</p></td><td>f<i>o</i>o</td></tr><tr><td></td><td></td></tr></table>
<noscript>enable</noscript><svg><text>drawn</text></svg>
<footer>The end</footer></body></html>"""


def texts(page: str) -> list[str]:
    return [one.text for one in read_html(page).elements]


def test_every_kind_of_block() -> None:
    assert [(one.kind, one.level, one.text) for one in read_html(PAGE).elements] == [
        (ElementKind.TITLE, 1, "The page"),
        (ElementKind.TITLE, 2, "A heading"),
        (ElementKind.PARAGRAPH, None, "loose text"),
        (ElementKind.PARAGRAPH, None, "One\ntwo bold."),
        (ElementKind.LIST_ITEM, None, "first"),
        (ElementKind.LIST_ITEM, None, "second"),
        (ElementKind.LIST_ITEM, None, "inner"),
        (ElementKind.LIST_ITEM, None, "term"),
        (ElementKind.LIST_ITEM, None, "meaning"),
        (ElementKind.CODE, None, "  x = 1\n\n  y = 2"),
        (ElementKind.PARAGRAPH, None, "Numbers"),
        (ElementKind.TABLE, None, "a | b\n1 2 | foo"),
        (ElementKind.PARAGRAPH, None, "The end"),
    ]


def test_a_title_that_the_page_repeats_comes_once() -> None:
    assert texts("<title>Same</title><h1>Same</h1><p>x") == ["Same", "x"]


def test_tables_made_for_layout_are_read_as_text() -> None:
    layout = "<table><tr><td><p>one</p><p>two</p></td></tr></table>"
    assert texts(layout) == ["one", "two"]
    nested = f"<table><tr><td>left</td><td>{layout}</td></tr></table>"
    assert texts(nested) == ["left", "one", "two"]


def test_pages_nested_as_deep_as_they_like_are_read() -> None:
    assert texts("<div>" * 2000 + "deep") == ["deep"]


def test_pages_nested_deeper_than_that_are_told() -> None:
    (warning,) = read_html("<div>" * 20_000 + "deep").warnings
    assert warning.code == "truncated"


@pytest.mark.parametrize("nothing", ["", "   ", "<!-- -->", "<script>x</script>", "<"])
def test_pages_without_text(nothing: str) -> None:
    assert [text for text in texts(nothing) if text != "<"] == []


def test_a_declared_encoding_is_used(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes('<meta charset="koi8-r"><p>Привет</p>'.encode("koi8-r"))
    parsed = Parsers().parse(Source(path, "a.html"), None)
    assert [one.text for one in parsed.elements] == ["Привет"]
    assert parsed.warnings == []
