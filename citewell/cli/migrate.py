"""`citewell migrate`: bring a database to the newest schema."""

import typer
from sqlalchemy.exc import SQLAlchemyError

from citewell.cli.deployment import database_url as own_database_url
from citewell.cli.failures import told
from citewell.cli.options import AsJson, DatabaseUrl
from citewell.cli.output import print_json, stdout
from shared.database.migrate import migrate as upgrade
from shared.errors import CitewellError, ConfigurationInvalid, DatabaseUnavailable

# What libpq says of a URL that no waiting cures; it has no error codes for these.
WRONG_URL = (
    "authentication failed",
    "does not exist",
    "could not translate",
    "failed to resolve",
    "certificate",
    "no pg_hba.conf entry",
)

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
        raise _refusal(error) from error


def _refusal(error: SQLAlchemyError) -> CitewellError:
    """Say what Postgres said; only where nobody answered may waiting help."""
    cause = getattr(error, "orig", None) or error
    said = f"Postgres refuses: {str(cause).strip().splitlines()[0]}"
    state = getattr(cause, "sqlstate", None)
    wrong = state or any(word in said for word in WRONG_URL)
    return ConfigurationInvalid(said) if wrong else DatabaseUnavailable(said)
