"""`citewell demo`: everything once, from an empty folder to cited answers, in about a minute."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from citewell.cli.failures import ExitCode, complain, told
from citewell.cli.options import AsJson
from citewell.cli.output import print_json, seconds, stderr, stdout
from citewell.demo import StackDidNotStart, Verdict, ask_samples, load_samples, running_stack
from citewell.embedded.data_folder import Ready
from citewell.loading.tally import Tally

app = typer.Typer(add_completion=False)


@app.command()
@told
def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a stack, load the samples, ask four questions, stop everything.

    Three questions have an answer in the samples, one has none. Fails if one goes wrong.
    """
    folder = Path(tempfile.mkdtemp(prefix="citewell-demo-"))
    console = stderr() if as_json else stdout()
    started = time.monotonic()
    try:
        with stderr().status("Starting every part …"), running_stack(folder) as ready:
            console.print(f"The stack answers at {ready.url} after {_since(started)}.")
            tally, verdicts = asyncio.run(_show(ready, console))
    except StackDidNotStart as error:
        complain(f"The stack did not start.\n{error}", f"`citewell up --data {folder}` says more")
        raise typer.Exit(ExitCode.NO_SERVER) from error
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    console.print(f"Everything is stopped. {_since(started)} in all.")
    if keep:
        console.print(f"Kept: `citewell up --data {folder}` starts it again.", soft_wrap=True)
    if as_json:
        kept = str(folder) if keep else None
        print_json({"failures": tally.failures, "kept": kept, "questions": _told(verdicts)})
    well = not tally.failures and all(verdict.right for verdict in verdicts)
    raise typer.Exit(ExitCode.DONE if well else ExitCode.SOMETHING_FAILED)


async def _show(ready: Ready, console: Console) -> tuple[Tally, list[Verdict]]:
    tally = await load_samples(ready)
    console.print(
        f"{tally.done} sample documents ({tally.pages} pages) are searchable after "
        f"{tally.elapsed_s:.1f} s.\n"
    )
    for failure in tally.failures:
        complain(f"{failure.name}: {failure.code}: {failure.detail}", failure.hint)
    verdicts: list[Verdict] = []
    async for verdict in ask_samples(ready):
        _print(verdict, console)
        verdicts.append(verdict)
    return tally, verdicts


def _told(verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    return [
        {"question": one.asked.question, "right": one.right, "answer": one.answer}
        for one in verdicts
    ]


def _print(verdict: Verdict, console: Console) -> None:
    console.print(Text(f"? {verdict.asked.question}", style="bold"))
    console.print(Text(f"  {verdict.answer.answer}"))
    for source in verdict.answer.sources:
        console.print(Text(f"  {source}", style="cyan"))
    if not verdict.right:
        wanted = verdict.asked.source or "no answer: the samples do not hold one"
        complain(f"Expected {wanted}")
    console.print()


def _since(started: float) -> str:
    return seconds(time.monotonic() - started)
