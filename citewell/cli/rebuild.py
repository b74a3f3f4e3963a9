"""`citewell rebuild`: the points of a collection made anew, once it is known what that takes."""

import time
from collections.abc import Collection, Sequence
from typing import Annotated
from uuid import UUID

import typer

from citewell.cli.asking import must_agree
from citewell.cli.connection import FOLLOWING, PATIENCE, connect
from citewell.cli.failures import ExitCode, complain, told
from citewell.cli.options import AsJson, Key, Url, Yes
from citewell.cli.output import print_json, seconds, stderr, stdout, table
from citewell.client import Client
from citewell.client.rebuild_models import Rebuild, RebuildCost

LOOK_EVERY_S = 1.0

app = typer.Typer(add_completion=False)


@app.command()
@told
def rebuild(
    *,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only this one; without it all.")
    ] = None,
    from_empty: Annotated[
        bool, typer.Option("--from-empty", help="Drop the index first: it finds nothing till then.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it takes.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it is done.")] = False,
    yes: Yes = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fill the vector store again from the texts in Postgres; says what it takes and asks first.

    Vectors that are still there are used again, and new uploads go first. May be repeated: what is
    under way goes on. Needs an admin key.
    """
    rebuilds: Sequence[Rebuild] = ()
    with connect(url, key, FOLLOWING if wait else PATIENCE) as client:
        costs = client.rebuild(collection, dry_run=True, from_empty=from_empty).costs
        if not as_json:
            stdout().print(_costs(costs))
        if not dry_run:
            must_agree(_question(costs, from_empty=from_empty), yes=yes, as_json=as_json)
            rebuilds = client.rebuild(collection, from_empty=from_empty).rebuilds
        if wait:
            rebuilds = _followed(client, {one.id for one in rebuilds})
    _tell(costs, rebuilds, as_json=as_json)


def _question(costs: Sequence[RebuildCost], *, from_empty: bool) -> str:
    chunks, unknown = sum(one.chunks for one in costs), sum(one.unknown for one in costs)
    emptied = " Until then nothing is found in them." if from_empty else ""
    return f"Rebuild {chunks} chunks, {unknown} of them through the embedder?{emptied}"


def _followed(client: Client, ids: Collection[UUID]) -> Sequence[Rebuild]:
    """Look again and again until these rebuilds are done, and say how far they are."""
    said = ""
    try:
        while True:
            rebuilds = [one for one in client.rebuilds() if one.id in ids]
            if all(one.finished_at for one in rebuilds):
                return rebuilds
            now = "; ".join(_progress(one) for one in rebuilds if not one.finished_at)
            if now != said:
                stderr().print(now, soft_wrap=True)
            said = now
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        complain("Stopped watching; the server goes on.", "citewell rebuild --wait")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _tell(costs: Sequence[RebuildCost], rebuilds: Sequence[Rebuild], *, as_json: bool) -> None:
    if as_json:
        print_json({"costs": costs, "rebuilds": rebuilds})
        return
    for one in rebuilds:
        stdout().print(_progress(one))
    if any(not one.finished_at for one in rebuilds):
        stderr().print("Next: citewell rebuild --wait, which goes on with these; citewell doctor")


def _costs(costs: Sequence[RebuildCost]) -> object:
    headings = ["collection", "space", "documents", "chunks", "to embed", "tokens", "calls"]
    rows = [
        (
            one.collection,
            one.space,
            one.documents,
            one.chunks,
            one.unknown,
            one.tokens,
            one.calls,
            "unknown" if one.usd is None else f"${one.usd:.2f}",
            seconds(one.seconds),
        )
        for one in costs
    ]
    return table([*headings, "price", "time"], rows)


def _progress(one: Rebuild) -> str:
    return f"{one.collection}: {one.stage}, {one.chunks - one.left} of {one.chunks} chunks"
