"""The docs as a site: built as `make docs` builds it, and nothing in it comes from another host."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typing_extensions import override

DOCS = Path(__file__).parents[2] / "docs"
# A socket that is opened anywhere but on this machine ends the build.
OFFLINE = """
import socket, sys

class Closed(socket.socket):
    def connect(self, address):
        raise SystemExit(f"the build wanted to reach {address}")

socket.socket = Closed
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
IN_STYLES = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", re.IGNORECASE)


class Loaded(HTMLParser):
    """Gathers what a browser fetches by itself, not what a reader may click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") not in {
            "search",
            "next",
            "prev",
            "index",
            "canonical",
        }:
            self.found.append(values.get("href") or "")
        elif tag in LOADING:
            self.found.append(values.get(LOADING[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, without a network and with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--builder", "html", "--quiet", "--fail-on-warning", "--keep-going"]
    where = ["--doctree-dir", str(folder / "doctrees"), str(DOCS), str(folder / "html")]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: TID251
    built = subprocess.run(
        [sys.executable, "-c", OFFLINE, *options, *where],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "html"


def test_every_page_became_a_page(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert [page for page in pages if not (site / page).exists()] == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        parser = Loaded()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found
        outside = [one for one in parser.found if re.match(r"(?:https?:)?//", one)]
        assert outside == [], page.name


def test_no_style_fetches_from_another_host(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        assert not IN_STYLES.search(sheet.read_text(encoding="utf-8")), sheet.name


def test_it_can_be_searched(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "tombston" in index
