"""Options that several verbs share, so that each means the same everywhere."""

from typing import Annotated

import typer

_SERVER = "Server"

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="CITEWELL_URL",
        help="The server's address. Without it: the stack that `citewell up` runs.",
        show_default=False,
        rich_help_panel=_SERVER,
    ),
]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="CITEWELL_API_KEY",
        help="API key or token.",
        show_default=False,
        rich_help_panel=_SERVER,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
JobIds = Annotated[list[str] | None, typer.Argument(help="Ids of jobs.", show_default=False)]
OfBatch = Annotated[str | None, typer.Option("--batch", help="Id of a batch.")]
Retryable = Annotated[
    bool, typer.Option("--retryable", help="Only jobs whose problem says that retrying helps.")
]
OfCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Only jobs of this collection.")
]
Ocr = Annotated[bool, typer.Option("--ocr", help="Begin anew, and read pages that are pictures.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Most of them.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Go on where a list ended.")]
Rerank = Annotated[
    bool, typer.Option("--rerank", help="Read the best hits again with a cross-encoder.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
CollectionName = Annotated[str, typer.Option("--collection", "-c", help="Collection's name.")]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar=["CITEWELL_DATABASE_DIRECT_URL", "CITEWELL_DATABASE_URL"],
        help="Postgres, reached directly and not through a pooler, as its owner.",
        show_default=False,
    ),
]
