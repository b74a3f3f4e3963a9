"""Notebooks: Markdown, code, printed text."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from shared.errors import FileCorrupt
from shared.models import Element


def read(folder: Path, notebook: Any) -> list[Element]:
    path = folder / "blob"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return Parsers().parse(Source(path, "a.ipynb"), None).elements


def test_cells_in_order(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": ["printed\n", "twice\n"]},
        {
            "data": {
                "text/html": "<table><tr><td>a</td><td>b</td></tr></table>",
                "text/plain": "a b",
            }
        },
        {"data": {"image/png": "iVBOR", "text/plain": ["<Figure>"]}},
        {"output_type": "error", "ename": "ValueError", "evalue": "too much"},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "Some *words*."]},
        {"cell_type": "code", "source": "x = 1\n", "outputs": outputs},
        {"cell_type": "raw", "source": "as it is"},
    ]
    found = read(tmp_path, {"metadata": {"title": "Study"}, "cells": cells})
    assert [(one.kind.value, one.text) for one in found] == [
        *(("title", "Study"), ("title", "Title"), ("paragraph", "Some words.")),
        *(("code", "x = 1"), ("code", "printed\ntwice"), ("table", "a | b")),
        *(("code", "<Figure>"), ("code", "ValueError: too much"), ("paragraph", "as it is")),
    ]


def test_notebooks_of_old(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Then"},
        {"cell_type": "code", "input": "y = 2", "outputs": [{"text": "printed"}]},
    ]
    found = read(tmp_path, {"worksheets": [{"cells": cells}]})
    assert [(one.level, one.text) for one in found] == [
        (2, "Then"),
        (None, "y = 2"),
        (None, "printed"),
    ]


@pytest.mark.parametrize("notebook", [[], "words", {"cells": [1, {"source": 3}, {"outputs": 1}]}])
def test_what_is_no_notebook(tmp_path: Path, notebook: Any) -> None:
    if isinstance(notebook, dict):
        assert read(tmp_path, notebook) == []
    else:
        with pytest.raises(FileCorrupt):
            read(tmp_path, notebook)
