"""The docs say what the code does: reference pages are compared, links lead somewhere."""

import ast
import fnmatch
import json
import re
import runpy
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from citewell.cli.app import VERBS, app
from services.query_api.mcp.resources import TEMPLATES
from services.query_api.mcp.tools import Toolbox
from shared.errors import CitewellError
from shared.vectors.filters import parse_filters
from tests.support import diagrams, reference_docs, reference_http

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = sorted(DOCS.rglob("*.md"))
PAGES = [
    *SITE,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "benchmarks" / "README.md",
]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)?(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = [
    path for floor in ("citewell", "services", "shared") for path in (ROOT / floor).rglob("*.py")
]
METRIC = re.compile(r"(?:Counter|Gauge|Histogram|Summary)\(\s*\"(citewell_\w+)\"")
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]+")
SETTING = re.compile(r"\bCITEWELL_[A-Z][A-Z_]*[A-Z]\b")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(*languages: str) -> list[tuple[str, str]]:
    return [
        (f"{name_of(page)}#{number}", text)
        for page in PAGES
        for number, (language, text) in enumerate(BLOCK.findall(page.read_text("utf-8")), 1)
        if language in languages
    ]


class TestReference:
    @pytest.mark.parametrize("name", reference_docs.PAGES)
    def test_a_page_is_what_the_code_says(self, name: str) -> None:
        """Mend it with `python -m tests.support.reference_docs`."""
        written = (DOCS / name).read_text(encoding="utf-8")
        assert written == reference_docs.PAGES[name]()

    @pytest.mark.parametrize("name", diagrams.PICTURES)
    def test_a_diagram_is_what_was_drawn(self, name: str) -> None:
        """Mend it with `python -m tests.support.diagrams`."""
        written = (DOCS / "images" / name).read_text(encoding="utf-8")
        assert written == diagrams.sequence(*diagrams.PICTURES[name])

    def test_every_setting_has_a_description(self) -> None:
        for line in reference_docs.configuration().splitlines():
            if line.startswith("| `CITEWELL_"):
                assert line.split("|")[3].strip(), line

    def test_every_problem_code_has_a_heading_and_a_hint(self) -> None:
        page = reference_docs.problems()
        codes = {error.code for error in _all_errors()}
        assert codes == set(re.findall(r"^## `(\w+)`$", page, re.MULTILINE))
        assert page.count("\n- ") >= len(codes)

    @pytest.mark.parametrize("module", reference_http.APPS.values())
    def test_every_call_has_a_heading_and_every_field_a_row(self, module: str) -> None:
        page = reference_docs.http()
        document = import_module(module).app.openapi()
        for path, operations in document["paths"].items():
            for method in operations:
                assert f"### `{method.upper()} {path}`\n" in page
        for name, schema in document["components"]["schemas"].items():
            section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
            for field in {} if name.startswith("Page_") else schema.get("properties", {}):
                assert f"| `{field}` |" in section, name

    def test_every_metric_in_the_code_has_a_row(self) -> None:
        names = {name for path in CODE for name in METRIC.findall(path.read_text("utf-8"))}
        assert names
        rows = set(re.findall(r"^\| `(citewell_\w+)` \|", reference_docs.metrics(), re.MULTILINE))
        assert rows == {name.removesuffix("_total") for name in names}

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_verb_tells_every_option_that_its_help_tells(self, verb: str) -> None:
        page = reference_docs.cli()
        command = get_command(import_module(VERBS[verb].module).app)
        below = getattr(command, "commands", {"": command})
        for name in below:
            heading = f"## `citewell {verb} {name}".rstrip() + "`\n"
            section = page.partition(heading)[2].partition("\n## ")[0]
            assert section, heading
            words = [verb, *name.split(), "--help"]
            told = CliRunner().invoke(app, words, env={"COLUMNS": "200", "NO_COLOR": "1"})
            assert told.exit_code == 0
            missing = set(OPTION.findall(told.stdout)) - {"--help"} - set(_options(section))
            assert not missing


class TestPages:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_links_lead_somewhere(self, page: Path) -> None:
        for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), path
            if anchor:
                assert anchor in _anchors(target), anchor

    def test_every_page_is_in_the_navigation(self) -> None:
        contents = runpy.run_path(str(DOCS / "conf.py"))["CONTENTS"]
        names = {page.relative_to(DOCS).with_suffix("").as_posix() for page in SITE}
        found = {"index"}
        for parent, patterns in contents.items():
            assert parent in names
            folder = parent.rpartition("/")[0]
            for pattern in patterns:
                here = set(fnmatch.filter(names, f"{folder}/{pattern}" if folder else pattern))
                assert here, pattern
                found |= here
        assert found == names

    def test_every_decision_is_in_the_index(self) -> None:
        index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
        for page in (DOCS / "decisions").glob("[0-9]*.md"):
            assert f"({page.name})" in index
            number = page.read_text(encoding="utf-8").split(maxsplit=2)[1]
            assert number in (f"{page.name[:4]}.", "NNNN.")

    def test_decision_numbers_are_used_once(self) -> None:
        numbers = [page.name[:4] for page in (DOCS / "decisions").glob("[0-9]*.md")]
        assert len(numbers) == len(set(numbers))

    def test_the_paths_that_the_architecture_names_exist(self) -> None:
        page = (DOCS / "architecture.md").read_text(encoding="utf-8")
        paths = re.findall(r"`((?:citewell|services|shared|tests|docs)/[\w/.]+)`", page)
        assert len(paths) > 30
        assert [path for path in paths if not (ROOT / path).exists()] == []

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_settings_that_a_page_names_exist(self, page: Path) -> None:
        known = set(SETTING.findall(reference_docs.configuration() + reference_docs.cli()))
        # What a deployment's own files read, and what switches tests on, is no setting of ours.
        for path in [*ROOT.glob("*compose*"), *(ROOT / "deploy").rglob("*.y*ml")]:
            known |= set(SETTING.findall(path.read_text("utf-8")))
        named = {name for name in SETTING.findall(page.read_text("utf-8")) if "_TEST_" not in name}
        assert named <= known

    @pytest.mark.parametrize("page", [*SITE, ROOT / "README.md"], ids=name_of)
    def test_a_page_holds_markdown_alone(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        assert "```{" not in text
        assert page.name == "README.md" or "```mermaid" not in text
        assert text.startswith("# ")


class TestBlocks:
    @pytest.mark.parametrize(("place", "text"), blocks("python"), ids=lambda value: value[:40])
    def test_python_compiles_and_its_imports_exist(self, place: str, text: str) -> None:
        tree = ast.parse(text, place)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    import_module(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), node.module

    @pytest.mark.parametrize(("place", "text"), blocks("bash"), ids=lambda value: value[:40])
    def test_shell_is_well_formed(self, place: str, text: str) -> None:
        read = subprocess.run(
            ["bash", "-n"], input=text, capture_output=True, text=True, check=False
        )
        assert read.returncode == 0, f"{place}: {read.stderr}"

    def test_filters_that_are_shown_are_filters(self) -> None:
        page = (DOCS / "howto" / "query.md").read_text(encoding="utf-8")
        shown = [text for text in re.findall(r"`({\".*?})`", page) if "…" not in text]
        assert len(shown) > 8
        for text in shown:
            parse_filters(json.loads(text))

    def test_no_block_is_without_a_language(self) -> None:
        assert [place for place, _ in blocks("")] == []

    def test_verbs_in_shell_blocks_exist(self) -> None:
        called = {
            verb
            for _, text in blocks("bash")
            for verb in re.findall(r"^citewell (\w+)", text, re.MULTILINE)
        }
        assert called
        assert called <= set(VERBS)


def test_every_mcp_tool_and_address_is_on_its_page() -> None:
    page = (DOCS / "howto" / "use-mcp.md").read_text(encoding="utf-8")
    nothing: Any = None
    toolbox = Toolbox(
        database=nothing, retriever=nothing, answerer=nothing, pages=nothing, pictures=nothing
    )
    names = [tool.name for tool in toolbox.tools]
    assert re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE) == names
    assert re.findall(r"^\| `(citewell://\S+)` \|", page, re.MULTILINE) == [
        template.uri for template in TEMPLATES
    ]


def test_changelog_fragments_have_a_known_kind() -> None:
    for fragment in (ROOT / "changelog.d").glob("*.md"):
        if fragment.name != "README.md":
            assert fragment.name.split(".")[-2] in {"added", "changed", "fixed", "removed"}
            assert fragment.read_text(encoding="utf-8").strip()


def _all_errors(of: type[CitewellError] = CitewellError) -> list[type[CitewellError]]:
    ours = [one for one in of.__subclasses__() if one.__module__ == CitewellError.__module__]
    return [of, *(below for one in ours for below in _all_errors(one))]


def _options(section: str) -> list[str]:
    return re.findall(r"`(--[a-z-]+)`", section)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
