"""Sphinx's settings for this site. The pages are plain Markdown; how they hang together is here.

Nothing is fetched: no theme font, script or inventory comes from another host.
"""

from importlib.metadata import version as installed

from sphinx.application import Sphinx

project = "Citewell"
version = release = installed("citewell")
project_copyright = "the Citewell authors, Apache-2.0"
html_title = "Citewell"

extensions = ["myst_parser"]
exclude_patterns = ["_static"]
nitpicky = True
# Links to headings as Git hosts write them.
myst_heading_anchors = 4

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["citewell.css"]
html_copy_source = False
html_show_sphinx = False
# Pages without neighbours need no column for them.
html_sidebars = {page: [] for page in ("index", "quickstart", "architecture", "why", "glossary")}
html_theme_options = {
    "logo": {"text": "Citewell"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# What hangs below what. The pages themselves hold no directives, so that they read well
# wherever Markdown does. A new how-to, reference page or decision is found by its pattern.
CONTENTS = {
    "index": (
        "quickstart",
        "howto/README",
        "reference/README",
        "architecture",
        "why",
        "glossary",
        "decisions/README",
    ),
    "howto/README": (
        "load-in-bulk",
        "poll-and-wait",
        "query",
        "use-the-client",
        "choose-a-model",
        "watch-with-flower",
        "*",
    ),
    "reference/README": ("*",),
    "decisions/README": ("[0-9]*",),
}


def contents(page: str) -> str:
    """Return the table of contents that is put below a page; empty for most."""
    patterns = CONTENTS.get(page)
    if patterns is None:
        return ""
    # Home, and the decisions' own table, say more than their bare titles would.
    hidden = "" if page in ("howto/README", "reference/README") else ":hidden:\n"
    lines = "\n".join(patterns)
    return f"\n```{{toctree}}\n:glob:\n:maxdepth: 1\n{hidden}\n{lines}\n```\n"


def setup(app: Sphinx) -> None:
    """Put the tables of contents in place while pages are read."""
    app.connect(
        "source-read", lambda _app, page, source: source.append(source.pop() + contents(page))
    )
