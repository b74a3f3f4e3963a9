"""`citewell collections`: the named corpora, made and removed."""

from typing import Annotated

import typer

from citewell.cli.asking import must_agree
from citewell.cli.connection import connect
from citewell.cli.failures import told
from citewell.cli.options import AsJson, Cursor, Key, Limit, Url, Yes
from citewell.cli.output import print_json, stdout, table
from citewell.cli.wording import tell_page
from citewell.client import Collection

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See, make, delete collections.")

Name = Annotated[str, typer.Argument(help="Name of a collection.")]


@app.command("list")
@told
def list_collections(
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List collections in the order of their names."""
    with connect(url, key) as client:
        page = client.collections(cursor=cursor, limit=limit)
    headings = ["collection", "documents", "space", "description"]
    tell_page(page, headings, _row, as_json=as_json)


@app.command()
@told
def show(name: Name, *, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Show one collection."""
    with connect(url, key) as client:
        collection = client.collection(name)
    _tell(collection, as_json=as_json)


@app.command()
@told
def create(
    name: Name,
    *,
    space: Annotated[
        str | None, typer.Option(help="Embedding space; without it the server's default.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="Type of an attribute, as `year=number`; repeatable.")
    ] = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Make a collection, or bring the one of that name in line."""
    fields = dict(_typed(one) for one in field or ()) or None
    with connect(url, key) as client:
        made = client.put_collection(name, space=space, description=description, fields=fields)
    _tell(made, as_json=as_json)


@app.command()
@told
def delete(
    name: Name, *, yes: Yes = False, url: Url = "", key: Key = "", as_json: AsJson = False
) -> None:
    """Delete a collection with all its documents; asks first."""
    with connect(url, key) as client:
        found = client.collection(name)
        question = f"Delete the collection {found.name} with its {found.documents or 0} documents?"
        must_agree(question, yes=yes, as_json=as_json)
        client.delete_collection(name)
    if as_json:
        print_json({"deleted": [name]})
        return
    stdout().print(f"{name} is deleted.")


def _row(one: Collection) -> tuple[object, ...]:
    return one.name, one.documents, one.space, one.description


def _typed(text: str) -> tuple[str, str]:
    name, equals, kind = text.partition("=")
    if not (name and equals and kind):
        message = f"--field {text}: write it as NAME=TYPE, such as year=number."
        raise typer.BadParameter(message)
    return name, kind


def _tell(collection: Collection, *, as_json: bool) -> None:
    if as_json:
        print_json(collection)
        return
    fields = ", ".join(f"{name}={kind}" for name, kind in collection.fields.items())
    rows = [
        ("collection", collection.name),
        ("documents", collection.documents),
        ("space", collection.space),
        ("description", collection.description),
        ("fields", fields),
    ]
    stdout().print(table(["", ""], rows))
