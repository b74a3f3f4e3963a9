"""reStructuredText and Org: what a reader sees, without the marks."""

from pathlib import Path

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.models import Element, ElementKind

TITLE, PARAGRAPH, ITEM = ElementKind.TITLE, ElementKind.PARAGRAPH, ElementKind.LIST_ITEM
TABLE, CODE = ElementKind.TABLE, ElementKind.CODE

RST = """\
======
Report
======

:Author: Ada

First *part*
============

A paragraph with ``code``, a `link <http://x.example>`_ and
:ref:`another <place>`, and **bold**.

.. _place: http://elsewhere.example
.. comment that nobody
   sees

- one
- two goes
  on

  with a second paragraph

#. numbered

Deeper
------

.. code-block:: python
   :linenos:

   print(1)

Look::

    literal *text*

+-----+-------+
| A   | B     |
+=====+=======+
| x   | long  |
|     | cell  |
+-----+-------+

==== =====
Name Price
==== =====
tea  1.50
salt 0.80
==== =====

.. note:: Mind the gap.

.. image:: a.png
   :alt: A lynx

----

.. [1] A footnote.
"""

ORG = """\
#+TITLE: Report
#+OPTIONS: toc:nil
* TODO First part :tag:
:PROPERTIES:
:ID: 12
:END:
A paragraph with =code= and a [[http://x.example][link]].
# nobody sees this
- one
- two goes
  on
** Deeper
#+BEGIN_SRC python
* print(1)
#+END_SRC
| Name | Price |
|------+-------|
| tea  |  1.50 |
#+CAPTION: Prices
#+begin_quote
Said.
#+end_quote
"""


def read(folder: Path, content: str, filename: str) -> list[Element]:
    path = folder / "blob"
    path.write_text(content, encoding="utf-8")
    return Parsers().parse(Source(path, filename), None).elements


def test_restructured_text(tmp_path: Path) -> None:
    found = [(one.kind, one.level, one.text) for one in read(tmp_path, RST, "a.rst")]
    assert found == [
        (TITLE, 1, "Report"),
        (PARAGRAPH, None, "Author: Ada"),
        (TITLE, 2, "First part"),
        (PARAGRAPH, None, "A paragraph with code, a link and\nanother, and bold."),
        (ITEM, None, "- one"),
        (ITEM, None, "- two goes\non"),
        (PARAGRAPH, None, "with a second paragraph"),
        (ITEM, None, "#. numbered"),
        (TITLE, 3, "Deeper"),
        (CODE, None, "print(1)"),
        (PARAGRAPH, None, "Look:"),
        (CODE, None, "literal *text*"),
        (TABLE, None, "A | B\nx | long cell"),
        (TABLE, None, "Name | Price\ntea | 1.50\nsalt | 0.80"),
        (PARAGRAPH, None, "Mind the gap."),
        (PARAGRAPH, None, "A lynx"),
        (PARAGRAPH, None, "[1] A footnote."),
    ]


def test_org(tmp_path: Path) -> None:
    found = [(one.kind, one.level, one.text) for one in read(tmp_path, ORG, "a.org")]
    assert found == [
        (TITLE, 1, "Report"),
        (TITLE, 1, "First part"),
        (PARAGRAPH, None, "A paragraph with code and a link."),
        (ITEM, None, "- one"),
        (ITEM, None, "- two goes\non"),
        (TITLE, 2, "Deeper"),
        (CODE, None, "* print(1)"),
        (TABLE, None, "Name | Price\ntea | 1.50"),
        (PARAGRAPH, None, "Prices"),
        (PARAGRAPH, None, "Said."),
    ]


def test_quotes_in_quotes_end_somewhere(tmp_path: Path) -> None:
    deep = "\n\n".join(f"{' ' * depth}level {depth}" for depth in range(300))
    text = " ".join(one.text for one in read(tmp_path, deep, "a.rst"))
    assert all(f"level {depth}" in text for depth in range(300))
