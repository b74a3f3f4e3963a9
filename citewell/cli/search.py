"""`citewell search`: the passages that fit a query best."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, CollectionName, Key, Rerank, Url
from citewell.cli.output import print_json, shortened, stderr, stdout
from citewell.cli.wording import shortcomings
from citewell.client import Hit, SearchResult
from citewell.client.models import SearchMode
from citewell.client.search_models import Duplicate

_SHOWN = 300
_NAMED = 5

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
    neighbours: Annotated[
        int, typer.Option(min=0, max=3, help="Chunks to show on either side of each hit.")
    ] = 0,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Leave out copies of better hits.")
    ] = False,
    max_per_document: Annotated[
        int | None, typer.Option(min=1, max=100, help="Most hits of one document.")
    ] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Find the passages that fit a query best."""
    with connect(url, key) as client:
        result = client.search(
            query,
            collection=collection,
            limit=limit,
            mode=mode,
            rerank=rerank,
            neighbours=neighbours,
            distinct=distinct,
            max_per_document=max_per_document,
        )
    if as_json:
        print_json(result)
        return
    _print(result)


def _print(result: SearchResult) -> None:
    console = stdout()
    for hit in result.hits:
        console.print(_heading(hit))
        console.print(Text(_text(hit)), style="dim", soft_wrap=False)
        if hit.duplicates:
            console.print(_copies(hit.duplicates))
        console.print()
    if not result.hits:
        stderr().print("Nothing found. `citewell jobs list` shows what was loaded.")
    if result.degraded:
        stderr().print(shortcomings(result.degraded))


def _text(hit: Hit) -> str:
    """Return the beginning of a hit, or all of it where its surroundings were asked for."""
    return hit.text_in_context if hit.context else shortened(hit.text, _SHOWN)


def _copies(copies: Sequence[Duplicate]) -> Text:
    named = ", ".join(f"{one.filename}, page {one.page_start}" for one in copies[:_NAMED])
    more = f" and {len(copies) - _NAMED} more" if len(copies) > _NAMED else ""
    return Text(f"The same: {named}{more}")


def _heading(hit: Hit) -> Text:
    pages = f"page {hit.page_start}"
    if hit.page_end != hit.page_start:
        pages = f"pages {hit.page_start}-{hit.page_end}"
    section = f"  {' > '.join(hit.section)}" if hit.section else ""
    return Text.assemble((f"{hit.score:.2f}  ", "bold"), f"{hit.filename}, {pages}", section)
