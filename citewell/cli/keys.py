"""`citewell keys`: make API keys, straight in the database, for a deployment that has none yet."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from citewell.cli.deployment import auth_secret
from citewell.cli.deployment import database_url as own_database_url
from citewell.cli.failures import told
from citewell.cli.options import AsJson, DatabaseUrl
from citewell.cli.output import print_json, stderr, stdout
from shared.auth.keys import generate_key, hash_key, key_prefix
from shared.auth.principal import DEFAULT_TENANT, Scope
from shared.database.engine import build_database
from shared.database.keys import KeyRow, Keys
from shared.identity import new_id
from shared.settings import DatabaseSettings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make API keys.")


@app.callback()
def keys() -> None:
    """Make API keys."""


@app.command()
@told
def create(
    *,
    tenant: Annotated[str, typer.Option(help="Whose data the key opens.")] = DEFAULT_TENANT,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it allows; repeatable. Default: ingest, query.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    database_url: DatabaseUrl = "",
    secret: Annotated[
        str,
        typer.Option(
            envvar="CITEWELL_AUTH_SECRET",
            help="The deployment's secret; rather by environment than in the command.",
            show_default=False,
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, once: only its hash is kept."""
    url = own_database_url(database_url)
    own_secret = auth_secret(secret)
    key = generate_key()
    scopes = [one.value for one in scope or (Scope.INGEST, Scope.QUERY)]
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    row = asyncio.run(
        _add(
            url,
            tenant=tenant,
            key_hash=hash_key(own_secret, key),
            prefix=key_prefix(key),
            scopes=scopes,
            description=description,
            expires_at=expires_at,
        )
    )
    if as_json:
        print_json({"id": row.id, "key": key, "tenant": tenant, "scopes": row.scopes})
        return
    stdout().print(key, markup=False, soft_wrap=True)
    stderr().print(f"For tenant {tenant!r}: {', '.join(row.scopes)}. It is not shown again.")


async def _add(
    database_url: str,
    *,
    tenant: str,
    key_hash: bytes,
    prefix: str,
    scopes: list[str],
    description: str,
    expires_at: datetime | None,
) -> KeyRow:
    database = build_database(DatabaseSettings(url=database_url, pool_size=1))
    try:
        async with database.tenant(tenant) as connection:
            return await Keys(connection).add(
                new_id(),
                tenant_id=tenant,
                key_hash=key_hash,
                prefix=prefix,
                scopes=scopes,
                description=description,
                expires_at=expires_at,
            )
    finally:
        await database.aclose()
