"""`citewell ask`: an answer with its sources, or an honest "not in these documents"."""

from typing import Annotated

import typer
from rich.text import Text

from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, CollectionName, Key, Rerank, Url
from citewell.cli.output import print_json, stderr, stdout
from citewell.client import Answer

app = typer.Typer(add_completion=False)


@app.command()
@told
def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    *,
    collection: CollectionName = "default",
    rerank: Rerank = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Answer a question from the documents, with its sources."""
    with connect(url, key) as client:
        answer = client.ask(question, collection=collection, rerank=rerank)
    if as_json:
        print_json(answer)
        return
    _print(answer)


def _print(answer: Answer) -> None:
    console = stdout()
    console.print(Text(answer.answer))
    if answer.sources:
        console.print()
    for source in answer.sources:
        console.print(Text(source, style="cyan"))
    notes = stderr()
    if answer.abstained:
        notes.print("No answer was given: nothing found was relevant enough.", style="dim")
    else:
        notes.print(f"confidence {answer.confidence:.2f}, {answer.model}", style="dim")
    if answer.degraded:
        notes.print(f"Without: {', '.join(answer.degraded)}. `citewell doctor` says why.")
