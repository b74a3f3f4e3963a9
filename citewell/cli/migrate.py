"""`citewell migrate`: bring a database to the newest schema."""

import typer
from sqlalchemy.exc import SQLAlchemyError

from citewell.cli.deployment import database_url as own_database_url
from citewell.cli.failures import told
from citewell.cli.options import AsJson, DatabaseUrl
from citewell.cli.output import print_json, stdout
from shared.database.migrate import migrate as upgrade
from shared.errors import DatabaseUnavailable

app = typer.Typer(add_completion=False)


@app.command()
@told
def migrate(*, database_url: DatabaseUrl = "", as_json: AsJson = False) -> None:
    """Bring a database to the newest schema; safe to run again, and by several at once."""
    upgraded(own_database_url(database_url))
    if as_json:
        print_json({"schema": "newest"})
        return
    stdout().print("The schema is the newest.")


def upgraded(database_url: str) -> None:
    """Migrate; what the driver says becomes an error a person can act on."""
    try:
        upgrade(database_url)
    except SQLAlchemyError as error:
        first = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise DatabaseUnavailable(f"Postgres refuses: {first}") from error
