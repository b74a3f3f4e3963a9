"""Markdown."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.models import Element, ElementKind

TEXT = """\
---
author: Ada
---
# The *first* title

Words with **weight**, `code`, a [link](http://example.org) and ![a picture](p.png),
a second line\\
and a third.

Setext
------

- one
  - inner

    more of inner
2. two
3. three

| head | er |
|---|---|
| a | b<br>c |
| d | `e` |

```python
x = 1

y = 2
```

    indented code

> quoted

<div><h3>In HTML</h3>said</div>

<!-- nothing -->
"""


def read(path: Path, text: str) -> list[Element]:
    path.write_text(text, encoding="utf-8")
    return Parsers().parse(Source(path, "a.md"), None).elements


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob"


def test_every_kind_of_block(path: Path) -> None:
    assert [(one.kind, one.level, one.text) for one in read(path, TEXT)] == [
        (ElementKind.PARAGRAPH, None, "author: Ada"),
        (ElementKind.TITLE, 1, "The first title"),
        (
            ElementKind.PARAGRAPH,
            None,
            "Words with weight, code, a link and a picture,\na second line\nand a third.",
        ),
        (ElementKind.TITLE, 2, "Setext"),
        (ElementKind.LIST_ITEM, None, "one"),
        (ElementKind.LIST_ITEM, None, "inner"),
        (ElementKind.LIST_ITEM, None, "more of inner"),
        (ElementKind.LIST_ITEM, None, "2. two"),
        (ElementKind.LIST_ITEM, None, "3. three"),
        (ElementKind.TABLE, None, "head | er\na | bc\nd | e"),
        (ElementKind.CODE, None, "x = 1\n\ny = 2"),
        (ElementKind.CODE, None, "indented code"),
        (ElementKind.PARAGRAPH, None, "quoted"),
        (ElementKind.TITLE, 3, "In HTML"),
        (ElementKind.PARAGRAPH, None, "said"),
    ]


def test_a_rule_at_the_top_is_no_front_matter(path: Path) -> None:
    assert [one.text for one in read(path, "---\n\nWords.")] == ["Words."]


def test_deep_nesting_loses_nothing(path: Path) -> None:
    (only,) = read(path, "> " * 60 + "deep")
    assert only.text == "deep"
