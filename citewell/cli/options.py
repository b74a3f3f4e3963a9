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
