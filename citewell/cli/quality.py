"""`citewell quality`: what the watch over a collection's answers has seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from citewell.cli.connection import FOLLOWING, PATIENCE, connect
from citewell.cli.failures import ExitCode, told
from citewell.cli.options import AsJson, Key, Url
from citewell.cli.output import print_json, stderr, stdout, table
from citewell.client.quality_models import Canary, Quality, Tick
from citewell.evaluation.sets import Question, read_set

# As they stand in the table: measure, heading.
_SHOWN = {
    "recall_hybrid": "recall",
    "recall_dense": "dense",
    "recall_sparse": "sparse",
    "mrr_hybrid": "mrr",
    "cosine": "cosine",
    "drift": "drift",
    "relevance": "relevance",
    "abstained": "abstained",
}

app = typer.Typer(add_completion=False)


@app.command()
@told
def quality(
    collection: Annotated[str, typer.Argument(help="Name of a collection.")] = "default",
    *,
    run: Annotated[bool, typer.Option("--run", help="Ask the canaries now; needs admin.")] = False,
    rebase: Annotated[
        bool, typer.Option("--rebase", help="Ask them, and measure by what comes from now on.")
    ] = False,
    give: Annotated[
        Path | None, typer.Option(help="CSV of question, document, page: canaries of your own.")
    ] = None,
    make: Annotated[bool, typer.Option("--make", help="Make them from the corpus again.")] = False,
    canaries: Annotated[bool, typer.Option("--canaries", help="List them.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="Most ticks.")] = 10,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show how a collection's canary questions fared, tick by tick, and what is worse than before.

    The exit code is 1 while the newest tick is degraded.
    """
    given = None if give is None else [_given(one) for one in read_set(give).questions]
    with connect(url, key, FOLLOWING if run or rebase else PATIENCE) as client:
        if given is not None or make:
            client.put_canaries(collection, given or [])
        if canaries:
            _tell_canaries(client.canaries(collection), as_json=as_json)
            return
        if run or rebase:
            client.run_quality(collection, rebase=rebase)
        known = client.quality(collection, limit=limit)
    _tell(known, as_json=as_json)
    raise typer.Exit(ExitCode.SOMETHING_FAILED if known.state == "degraded" else ExitCode.DONE)


def _given(question: Question) -> dict[str, object]:
    document = next(iter(question.wanted))
    return {
        "question": question.text,
        "document": document,
        "page": question.pages.get(document),
    }


def _tell_canaries(canaries: Sequence[Canary], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": canaries})
        return
    rows = [
        (one.question, one.document, one.page, "made" if one.chunk_id else "given", _there(one))
        for one in canaries
    ]
    stdout().print(table(["question", "document", "page", "origin", "there"], rows))


def _there(canary: Canary) -> str:
    return "yes" if canary.live else "gone"


def _tell(known: Quality, *, as_json: bool) -> None:
    if as_json:
        print_json(known)
        return
    id_ = f" ({known.collection_id})" if known.collection_id else ""
    stdout().print(f"{known.collection}{id_}: {known.state}")
    if not known.ticks:
        stderr().print("No tick yet. Next: citewell quality --run")
        return
    baseline = ("baseline", "", "", *_figures(known.baseline), "")
    rows = [baseline, *map(_row, known.ticks)]
    headings = ["tick", "state", "asked", *_SHOWN.values(), "past its threshold"]
    stdout().print(table(headings, rows))


def _row(tick: Tick) -> tuple[str, ...]:
    when = tick.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
    asked = f"{tick.questions}" + (f" ({tick.errors} errors)" if tick.errors else "")
    return when, tick.state, asked, *_figures(tick.measures), ", ".join(tick.reasons)


def _figures(measures: Mapping[str, float]) -> list[str]:
    return [f"{measures[name]:.3f}" if name in measures else "-" for name in _SHOWN]
