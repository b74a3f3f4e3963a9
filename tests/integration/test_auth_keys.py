"""API keys end to end: made once, stored as hashes, revoked, expired, and never across tenants."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import event, text

from shared.auth.authenticator import CACHE_S, CACHE_SIZE, Authenticator
from shared.auth.keys import generate_key, hash_key, key_prefix
from shared.auth.principal import Principal, Scope
from shared.database.engine import Database, build_database
from shared.database.keys import Keys
from shared.errors import DatabaseUnavailable, Unauthenticated
from shared.identity import new_id
from shared.settings import AuthSettings, DatabaseSettings
from tests.support.ingest_api import BOOTSTRAP, SECRET, IngestApi, token

SETTINGS = AuthSettings(secret=SecretStr(SECRET), CITEWELL_BOOTSTRAP_KEY=SecretStr(BOOTSTRAP))


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def with_key(api: IngestApi, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(api.app),
        base_url="http://ingest",
        headers={"Authorization": f"Bearer {key}"},
    )


async def add_key(
    database: Database, *scopes: str, tenant: str = "acme", expires_in: timedelta | None = None
) -> str:
    key = generate_key()
    async with database.worker() as connection:
        await Keys(connection).add(
            new_id(),
            tenant_id=tenant,
            key_hash=hash_key(SECRET, key),
            prefix=key_prefix(key),
            scopes=scopes or ("ingest",),
            description="",
            expires_at=None if expires_in is None else datetime.now(UTC) + expires_in,
        )
    return key


async def who(authenticator: Authenticator, key: str) -> Principal:
    return await authenticator.authenticate(f"Bearer {key}")


async def test_the_bootstrap_key_makes_the_first_key(api: IngestApi) -> None:
    async with with_key(api, BOOTSTRAP) as first:
        made = await first.post("/v1/keys", json={"scopes": ["ingest"], "description": "loader"})
    assert made.status_code == 201
    body = made.json()
    assert body["key"].startswith(body["prefix"])
    async with with_key(api, body["key"]) as loader:
        assert (await loader.get("/v1/documents")).status_code == 200
        assert (await loader.get("/v1/keys")).status_code == 403
        forbidden = (await loader.post("/v1/keys", json={"scopes": ["admin"]})).json()
    assert (forbidden["code"], "`admin`" in forbidden["detail"]) == ("forbidden", True)


async def test_a_key_is_stored_as_a_hash_and_shown_once(api: IngestApi, database: Database) -> None:
    made = (await api.client.post("/v1/keys", json={"scopes": ["query", "query"]})).json()
    listed = await api.client.get("/v1/keys")
    assert made["key"] not in listed.text
    assert "key" not in listed.json()["items"][0]
    assert made["scopes"] == ["query"]
    async with database.worker() as connection:
        row = (await connection.execute(text("SELECT row_to_json(k)::text FROM api_keys k"))).one()
    assert made["key"] not in row[0]
    assert made["key"][11:] not in row[0]


async def test_a_revoked_key_is_refused(api: IngestApi) -> None:
    made = (await api.client.post("/v1/keys", json={"scopes": ["ingest"]})).json()
    async with with_key(api, made["key"]) as holder:
        assert (await holder.get("/v1/jobs")).status_code == 200
        assert (await api.client.delete(f"/v1/keys/{made['id']}")).status_code == 204
        refused = await holder.get("/v1/jobs")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (await api.client.delete(f"/v1/keys/{made['id']}")).status_code == 404
    assert (await api.client.get("/v1/keys")).json()["items"] == []


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"scopes": []},
        {"scopes": ["root"]},
        {"scopes": ["query"], "tenant_id": "rival"},
        {"scopes": ["query"], "expires_at": "2030-01-01T00:00:00"},
        {"scopes": ["query"], "description": "x" * 2001},
    ],
)
async def test_a_wrong_wish_is_422(api: IngestApi, wish: dict[str, object]) -> None:
    assert (await api.client.post("/v1/keys", json=wish)).status_code == 422


async def test_a_key_belongs_to_its_tenant_alone(api: IngestApi) -> None:
    made = (await api.client.post("/v1/keys", json={"scopes": ["admin"]})).json()
    async with api.as_tenant("rival") as rival:
        assert (await rival.get("/v1/keys")).json()["items"] == []
        assert (await rival.delete(f"/v1/keys/{made['id']}")).status_code == 404
    async with with_key(api, made["key"]) as holder:
        assert (await holder.get("/v1/keys")).json()["items"][0]["id"] == made["id"]


async def test_a_key_gives_its_tenant_and_scopes(database: Database) -> None:
    key = await add_key(database, "ingest", "query", "nonsense", tenant="acme")
    principal = await who(Authenticator(database, SETTINGS), key)
    assert principal == Principal("acme", f"key:{key[:11]}", frozenset({Scope.INGEST, Scope.QUERY}))


async def test_an_expired_key_is_refused_and_a_cached_one_not_kept_past_its_end(
    database: Database,
) -> None:
    clock = Clock()
    authenticator = Authenticator(database, SETTINGS, clock=clock)
    with pytest.raises(Unauthenticated):
        await who(authenticator, await add_key(database, expires_in=timedelta(seconds=-1)))
    soon = await add_key(database, expires_in=timedelta(seconds=2))
    await who(authenticator, soon)
    async with database.worker() as connection:
        await connection.execute(text("UPDATE api_keys SET expires_at = now()"))
    clock.now = 1.5
    await who(authenticator, soon)
    clock.now = 2.1
    with pytest.raises(Unauthenticated):
        await who(authenticator, soon)


async def test_a_key_is_looked_up_at_most_every_five_seconds(database: Database) -> None:
    clock = Clock()
    authenticator = Authenticator(database, SETTINGS, clock=clock)
    key = await add_key(database)
    lookups = 0

    def count(*_: object) -> None:
        nonlocal lookups
        lookups += 1

    engine = database._engine.sync_engine  # noqa: SLF001
    event.listen(engine, "commit", count)
    for now in (0.0, 1.0, CACHE_S - 0.1):
        clock.now = now
        await who(authenticator, key)
    assert lookups == 1
    async with database.worker() as connection:
        await connection.execute(text("UPDATE api_keys SET revoked_at = now()"))
    clock.now = CACHE_S
    with pytest.raises(Unauthenticated):
        await who(authenticator, key)


async def test_the_cache_is_bounded(database: Database) -> None:
    authenticator = Authenticator(database, SETTINGS)
    cache = authenticator._known  # noqa: SLF001
    someone = Principal("acme", "key:x", frozenset())
    for number in range(CACHE_SIZE + 10):
        cache.put(b"%d" % number, someone, ttl_s=None)
    assert cache.get(b"9") is None
    assert cache.get(b"10") is someone


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Token x",
        "Bearer cw_short",
        f"Bearer cw_{'A' * 43}",
        f"Bearer {BOOTSTRAP}x",
        f"Bearer {BOOTSTRAP[:-1]}",
        "Bearer a.b.c",
        "Bearer \udcff",
        f"Basic {BOOTSTRAP}",
        f"{BOOTSTRAP}",
    ],
)
async def test_every_refusal_is_the_same(database: Database, header: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await Authenticator(database, SETTINGS).authenticate(header)
    assert refused.value.detail == Unauthenticated().detail


async def test_the_scheme_may_be_written_in_any_case(database: Database) -> None:
    authenticator = Authenticator(database, SETTINGS)
    principal = await authenticator.authenticate(f"bearer  {BOOTSTRAP} ")
    assert principal == Principal("default", "bootstrap", frozenset({Scope.ADMIN}))


async def test_without_a_bootstrap_key_there_is_none(database: Database) -> None:
    authenticator = Authenticator(database, AuthSettings(secret=SecretStr(SECRET)))
    with pytest.raises(Unauthenticated):
        await who(authenticator, BOOTSTRAP)


async def test_a_token_needs_no_database() -> None:
    database = build_database(DatabaseSettings(url="postgresql://nobody@127.0.0.1:1/none"))
    authenticator = Authenticator(database, SETTINGS)
    assert (await who(authenticator, token("acme", "query"))).tenant_id == "acme"
    with pytest.raises(DatabaseUnavailable):
        await who(authenticator, generate_key())
    await database.aclose()
