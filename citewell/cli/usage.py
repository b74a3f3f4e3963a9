"""`citewell usage`: what is held, what embedding it took, by collection."""

from datetime import datetime
from typing import Annotated

import typer

from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, Key, Url
from citewell.cli.output import print_json, stdout, table
from citewell.cli.wording import size
from citewell.client.models import ModelUsage, UsageSums
from shared.models import JobState

app = typer.Typer(add_completion=False)


@app.command()
@told
def usage(
    *,
    since: Annotated[datetime | None, typer.Option(help="Only jobs made from then on.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only jobs made before then.")] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Add up documents, bytes, jobs and embedding, by collection, and chat by model.

    What is held is told as it is now; --since and --until, in this machine's time, choose the jobs.
    """
    with connect(url, key) as client:
        told_usage = client.usage(since=since, until=until)
    if as_json:
        print_json(told_usage)
        return
    rows = [_row(one.name, one) for one in told_usage.collections]
    counts = ["documents", "versions", "chunks", "bytes", "jobs", "failed"]
    headings = ["collection", *counts, "tokens", "calls", "cached"]
    stdout().print(table(headings, [*rows, _row("(all)", told_usage.total)]))
    if told_usage.chat.models:
        headings = ["model", "answers", "prompt tokens", "completion tokens", "cost"]
        stdout().print(table(headings, [_chat_row(one) for one in told_usage.chat.models]))


def _chat_row(one: ModelUsage) -> tuple[object, ...]:
    cost = "" if one.unpriced and not one.cost else f"{one.cost:.4f}"
    return one.model, one.answers, one.prompt_tokens, one.completion_tokens, cost


def _row(name: str, sums: UsageSums) -> tuple[object, ...]:
    return (
        name,
        sums.documents,
        sums.versions,
        sums.chunks,
        size(sums.stored_bytes),
        sum(sums.jobs.values()),
        sums.jobs.get(JobState.FAILED, 0),
        sums.embedding.tokens,
        sums.embedding.provider_calls,
        sums.embedding.cached,
    )
