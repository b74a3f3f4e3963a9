"""`citewell ask`: an answer with its sources, or an honest "not in these documents"."""

from typing import Annotated

import typer
from rich.text import Text

from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, CollectionName, Key, Rerank, Url
from citewell.cli.output import print_json, stderr, stdout
from citewell.cli.wording import shortcomings
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
        if as_json:
            print_json(client.ask(question, collection=collection, rerank=rerank))
            return
        for told_now in client.stream_answer(question, collection=collection, rerank=rerank):
            if isinstance(told_now, Answer):
                _print_end(told_now)
            else:
                stdout().print(Text(told_now), end="", soft_wrap=True)


def _print_end(answer: Answer) -> None:
    console = stdout()
    console.print()
    if answer.sources:
        console.print()
    for source in answer.sources:
        console.print(Text(source, style="cyan"))
    notes = stderr()
    if answer.abstained:
        notes.print("No answer was given.", style="dim")
    else:
        _print_trust(answer)
    if answer.degraded:
        notes.print(shortcomings(answer.degraded))


def _print_trust(answer: Answer) -> None:
    notes = stderr()
    notes.print(f"confidence {answer.confidence:.2f}, {answer.model}", style="dim")
    unsupported = answer.verification.statements - answer.verification.supported
    if unsupported:
        notes.print(f"No passage holds up {unsupported} of its statements.", style="dim")
