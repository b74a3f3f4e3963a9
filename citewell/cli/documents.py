"""`citewell documents`: what was loaded, its versions and chunks, its bytes, its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from citewell.cli.asking import must_agree
from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, Cursor, Key, Limit, Url, Yes
from citewell.cli.output import print_json, shortened, stderr, stdout, table
from citewell.cli.wording import size, tell_page
from citewell.client import Document, PlacedChunk, Version
from shared.models import JobState

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See, fetch, delete documents.")

DocumentId = Annotated[str, typer.Argument(help="Id of a document.")]
OfVersion = Annotated[
    int | None, typer.Option("--version", min=1, help="Which version; without it the live one.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
_SHOWN = 120


@app.command("list")
@told
def list_documents(
    *,
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Collection's name.")
    ] = "default",
    name: Annotated[str | None, typer.Option(help="Only the one of this whole name.")] = None,
    state: Annotated[
        JobState | None, typer.Option(help="Only those whose newest version is in this state.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List a collection's documents, oldest first."""
    with connect(url, key) as client:
        page = client.documents(
            collection=collection, name=name, state=state, cursor=cursor, limit=limit
        )
    headings = ["document", "name", "state", "live version", "pages"]
    tell_page(page, headings, _row, as_json=as_json)


@app.command()
@told
def show(document_id: DocumentId, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show one document."""
    with connect(url, key) as client:
        document = client.document(document_id)
    if as_json:
        print_json(document)
        return
    stdout().print(table(["", ""], _details(document)))


@app.command()
@told
def versions(
    document_id: DocumentId,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List a document's versions, newest first."""
    with connect(url, key) as client:
        page = client.versions(document_id, cursor=cursor, limit=limit)
    headings = ["version", "", "state", "pages", "size"]
    tell_page(page, headings, _version_row, as_json=as_json)


@app.command()
@told
def restore(
    document_id: DocumentId,
    version: Annotated[int, typer.Argument(min=1, help="Which version to bring back.")],
    *,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Make an old version's bytes the newest version; queries see it when its job has ended."""
    with connect(url, key) as client:
        restored = client.restore_version(document_id, version)
    if as_json:
        print_json(restored)
        return
    [job] = restored.jobs
    if job.duplicate_of:
        stdout().print(f"Version {job.version} is the same already.")
        return
    stdout().print(f"Version {job.version} is made from version {version}: job {job.job_id}.")
    stderr().print(f"Next: citewell jobs show {job.job_id}", soft_wrap=True)


@app.command()
@told
def chunks(
    document_id: DocumentId,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the chunks that queries find, in their order."""
    with connect(url, key) as client:
        page = client.chunks(document_id, cursor=cursor, limit=limit)
    headings = ["", "chunk", "pages", "tokens", "text"]
    tell_page(page, headings, _chunk_row, as_json=as_json)


@app.command()
@told
def download(
    document_id: DocumentId,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; without it the document's name.")
    ] = None,
    version: OfVersion = None,
    force: Force = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Write a document's original bytes into a file."""
    with connect(url, key) as client:
        target = output or _own_name(client.document(document_id))
        with _written(target, force=force) as partial:
            client.download(document_id, partial, version=version)
    _tell_written(document_id, target, as_json=as_json)


@app.command()
@told
def page(
    document_id: DocumentId,
    number: Annotated[int, typer.Argument(min=1, help="Which page, from 1.")],
    *,
    chunk: Annotated[
        str | None, typer.Option(help="Id of a chunk; its places on the page are marked.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File; without it the document's name and the page."),
    ] = None,
    version: OfVersion = None,
    longest: Annotated[
        int | None, typer.Option(min=64, max=3000, help="Most pixels along a side.")
    ] = None,
    force: Force = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Draw a page of a PDF or a picture file as PNG."""
    with connect(url, key) as client:
        target = output or _page_name(client.document(document_id), number)
        with _written(target, force=force) as partial:
            drawn = client.page_picture(
                document_id, number, chunk_id=chunk, version=version, longest=longest
            )
            partial.write_bytes(drawn)
    _tell_written(document_id, target, as_json=as_json)


@app.command()
@told
def delete(
    document_ids: Annotated[list[str], typer.Argument(help="Ids of documents.")],
    *,
    yes: Yes = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Delete documents with all their versions; asks first.

    No query that starts afterwards sees them. If one is unknown, none is deleted.
    """
    with connect(url, key) as client:
        found = [client.document(one) for one in document_ids]
        for document in found:
            stderr().print(f"{document.id} {document.name}", markup=False, soft_wrap=True)
        must_agree(f"Delete {len(found)} documents?", yes=yes, as_json=as_json)
        for document in found:
            client.delete_document(document.id)
    if as_json:
        print_json({"deleted": [document.id for document in found]})
        return
    stdout().print(f"{len(found)} deleted.")


@contextmanager
def _written(target: Path, *, force: bool) -> Iterator[Path]:
    """Hand out where to write: what is broken off leaves no file of the right name."""
    if target.exists() and not force:
        message = f"{target} is there already: choose another by --output, or add --force."
        raise typer.BadParameter(message)
    partial = target.with_name(f"{target.name}.part")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _tell_written(document_id: str, target: Path, *, as_json: bool) -> None:
    written = target.stat().st_size
    if as_json:
        print_json({"document_id": document_id, "path": str(target), "bytes": written})
        return
    stdout().print(f"{target} ({size(written)})", markup=False, soft_wrap=True)


def _page_name(document: Document, number: int) -> Path:
    return Path(f"{_own_name(document).stem}-page-{number}.png")


def _own_name(document: Document) -> Path:
    """Return the last part of a document's name: a name never chooses a folder here."""
    return Path(PurePosixPath(document.name.replace("\\", "/")).name or str(document.id))


def _row(one: Document) -> tuple[object, ...]:
    return one.id, one.name, one.state, one.live_version, one.pages


def _version_row(one: Version) -> tuple[object, ...]:
    return one.version, "live" if one.live else "", one.state, one.pages, size(one.size or 0)


def _chunk_row(one: PlacedChunk) -> tuple[object, ...]:
    pages = f"{one.page_start}-{one.page_end}"
    return one.ordinal, one.id, pages, one.tokens, shortened(one.text, _SHOWN)


def _details(document: Document) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("document", document.id),
        ("name", document.name),
        ("collection", document.collection),
        ("state", document.state),
        ("job", document.job_id),
        ("live version", document.live_version or "none yet"),
        ("newest version", document.newest_version),
        ("type", document.media_type),
        ("pages", document.pages),
        ("size", size(document.size or 0)),
    ]
    rows += [(f"attribute {name}", value) for name, value in document.attributes.items()]
    return rows
