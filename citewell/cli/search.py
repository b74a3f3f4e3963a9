"""`citewell search`: the passages that fit a query best."""

from typing import Annotated

import typer
from rich.text import Text

from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, CollectionName, Key, Rerank, Url
from citewell.cli.output import print_json, shortened, stderr, stdout
from citewell.client import Hit, SearchResult
from citewell.client.models import SearchMode

_SHOWN = 300

app = typer.Typer(add_completion=False)


@app.command()
@told
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    *,
    collection: CollectionName = "default",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Most hits.")] = 5,
    mode: Annotated[SearchMode, typer.Option(help="How to look.")] = "hybrid",
    rerank: Rerank = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Find the passages that fit a query best."""
    with connect(url, key) as client:
        result = client.search(query, collection=collection, limit=limit, mode=mode, rerank=rerank)
    if as_json:
        print_json(result)
        return
    _print(result)


def _print(result: SearchResult) -> None:
    console = stdout()
    for hit in result.hits:
        console.print(_heading(hit))
        console.print(Text(shortened(hit.text, _SHOWN)), style="dim", soft_wrap=False)
        console.print()
    if not result.hits:
        stderr().print("Nothing found. `citewell jobs list` shows what was loaded.")
    if result.degraded:
        stderr().print(f"Without: {', '.join(result.degraded)}. `citewell doctor` says why.")


def _heading(hit: Hit) -> Text:
    pages = f"page {hit.page_start}"
    if hit.page_end != hit.page_start:
        pages = f"pages {hit.page_start}-{hit.page_end}"
    section = f"  {' > '.join(hit.section)}" if hit.section else ""
    return Text.assemble((f"{hit.score:.2f}  ", "bold"), f"{hit.filename}, {pages}", section)
