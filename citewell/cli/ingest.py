"""`citewell ingest`: load files and folders, watch them become searchable, tell what did not."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from citewell.cli.connection import FOLLOWING, PATIENCE, find_server, running_stack
from citewell.cli.failures import ExitCode, complain, told
from citewell.cli.options import AsJson, CollectionName, Key, Url
from citewell.cli.output import print_json, seconds, stderr, stdout, table
from citewell.cli.progress import LoadProgress
from citewell.client import AsyncClient, ClientError
from citewell.client.models import OnDuplicate
from citewell.loading.files import Found, find_files
from citewell.loading.loader import Loader, LoadOptions
from citewell.loading.tally import Tally

_REMARKS_SHOWN = 20
_BATCHES_SHOWN = 3

app = typer.Typer(add_completion=False)


@app.command()
@told
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, patterns.")],
    *,
    collection: CollectionName = "default",
    on_duplicate: Annotated[
        OnDuplicate, typer.Option(help="What to do about a name that is already there.")
    ] = "replace",
    glob: Annotated[
        list[str] | None, typer.Option(help="Take only such files from folders, as '*.pdf'.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Uploads at once.")] = 4,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Load files and folders; a file is called by its path below the folder you name.

    Loading the same files again is cheap: what has not changed is not worked on twice.
    """
    server = find_server(url, key, running_stack())
    found = find_files(paths, glob or ())
    options = LoadOptions(collection, on_duplicate, concurrency)
    tally = Tally(found=len(found.files))
    try:
        asyncio.run(_load(server, found, options, tally))
    except KeyboardInterrupt:
        _tell_interrupted(tally)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except ClientError:
        _tell_interrupted(tally)
        raise
    _tell_end(tally, found, as_json=as_json)
    raise typer.Exit(ExitCode.SOMETHING_FAILED if tally.failures else ExitCode.DONE)


async def _load(server: tuple[str, str], found: Found, options: LoadOptions, tally: Tally) -> None:
    url, key = server
    async with AsyncClient(url, key=key, patience=PATIENCE) as client:
        await client.collections()
    with LoadProgress(tally, stderr()) as progress:
        async with AsyncClient(url, key=key, patience=FOLLOWING) as client:
            await Loader(client, options, tally=tally, progress=progress).run(found.files)


def _tell_interrupted(tally: Tally) -> None:
    unsent = tally.found - tally.sent
    for batch_id in tally.open_batches[:_BATCHES_SHOWN]:
        complain(
            "Stopped watching; the server goes on.", f"citewell batches show {batch_id} --wait"
        )
    if unsent:
        complain(
            f"{unsent} of {tally.found} files were not sent.",
            "the same command again; what is already there is not worked on twice",
        )


def _tell_end(tally: Tally, found: Found, *, as_json: bool) -> None:
    if as_json:
        print_json(_summary(tally, found))
        return
    failed = len(tally.failures)
    console = stdout()
    console.print(
        f"{tally.done} files in {seconds(tally.elapsed_s)} ({tally.rate:.1f} files/s): "
        f"{tally.done - failed} fine, {tally.unchanged} of them unchanged, {failed} failed; "
        f"{tally.pages} pages, {tally.chunks} chunks."
    )
    if tally.skipped:
        console.print(f"{tally.skipped} names were there already and left alone.")
    if found.hidden:
        console.print(f"{found.hidden} hidden files or folders were passed over.")
    _tell_failures(tally)
    _tell_remarks(tally)


def _tell_failures(tally: Tally) -> None:
    if not tally.failures:
        return
    rows = [(one.name, one.code, one.detail, one.hint) for one in tally.failures]
    stdout().print()
    stdout().print(table(["failed", "code", "why", "next"], rows))


def _tell_remarks(tally: Tally) -> None:
    if not tally.remarks:
        return
    shown = tally.remarks[:_REMARKS_SHOWN]
    rows: Sequence[Sequence[object]] = [(one.name, one.page, one.code, one.detail) for one in shown]
    stdout().print()
    stdout().print(table(["to know", "page", "code", "detail"], rows))
    if len(tally.remarks) > len(shown):
        stdout().print(f"… and {len(tally.remarks) - len(shown)} more (--json shows all).")


def _summary(tally: Tally, found: Found) -> dict[str, object]:
    return {
        "files": tally.total,
        "done": tally.done,
        "failed": len(tally.failures),
        "unchanged": tally.unchanged,
        "skipped": tally.skipped,
        "hidden": found.hidden,
        "pages": tally.pages,
        "chunks": tally.chunks,
        "seconds": round(tally.elapsed_s, 3),
        "files_per_s": round(tally.rate, 3),
        "batches": list(tally.batches),
        "failures": tally.failures,
        "remarks": tally.remarks,
    }
