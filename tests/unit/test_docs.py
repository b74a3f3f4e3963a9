"""The docs say what the code does: reference pages are compared, links lead somewhere."""

import re
from pathlib import Path

import pytest

from citewell.cli.app import VERBS
from shared.errors import CitewellError
from tests.support import reference_docs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "benchmarks" / "README.md",
]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)?(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("name", reference_docs.PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    """Mend it with `python -m tests.support.reference_docs`."""
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == reference_docs.PAGES[name]()


def test_every_setting_has_a_description() -> None:
    for line in reference_docs.configuration().splitlines():
        if line.startswith("| `CITEWELL_"):
            assert line.split("|")[3].strip(), line


def test_every_problem_code_has_a_heading_and_a_hint() -> None:
    page = reference_docs.problems()
    codes = {error.code for error in _all_errors()}
    assert codes == set(re.findall(r"^## `(\w+)`$", page, re.MULTILINE))
    assert page.count("\n- ") >= len(codes)


def test_every_verb_is_on_the_command_line_page() -> None:
    page = reference_docs.cli()
    for verb in VERBS:
        assert f"## `citewell {verb}" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in _anchors(target), anchor


def test_changelog_fragments_have_a_known_kind() -> None:
    for fragment in (ROOT / "changelog.d").glob("*.md"):
        if fragment.name != "README.md":
            assert fragment.name.split(".")[-2] in {"added", "changed", "fixed", "removed"}
            assert fragment.read_text(encoding="utf-8").strip()


def _all_errors(of: type[CitewellError] = CitewellError) -> list[type[CitewellError]]:
    ours = [one for one in of.__subclasses__() if one.__module__ == CitewellError.__module__]
    return [of, *(below for one in ours for below in _all_errors(one))]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
