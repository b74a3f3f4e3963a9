"""Turns an `Authorization` header into a principal, for both services' doors."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from shared.auth.keys import KEY, hash_key
from shared.auth.principal import DEFAULT_TENANT, Principal, Scope
from shared.auth.tokens import TokenVerifier
from shared.database.engine import Database
from shared.database.keys import Keys, StoredKey
from shared.errors import Unauthenticated
from shared.settings import AuthSettings

# A revoked key works on for at most this long in a process that has just seen it.
CACHE_S = 5.0
CACHE_SIZE = 4096


class Authenticator:
    """Knows API keys, JWTs and the bootstrap key; every refusal looks the same."""

    def __init__(
        self,
        database: Database,
        settings: AuthSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the database the keys are in, and the secret their hashes are keyed with.

        Raises:
            ConfigurationInvalid: the JWT public key is not an RSA public key.
        """
        self._database = database
        self._secret = settings.secret.get_secret_value()
        self._tokens = TokenVerifier(settings)
        self._known = _Cache(clock)
        bootstrap = settings.bootstrap_key
        self._bootstrap = (
            hash_key(self._secret, bootstrap.get_secret_value()) if bootstrap else None
        )

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return whom the value of an `Authorization` header speaks for.

        Raises:
            Unauthenticated: none came, or it is wrong, expired or revoked; never which.
            DatabaseUnavailable: the keys cannot be read now.
        """
        scheme, _, credential = (authorization or "").partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Unauthenticated
        key_hash = hash_key(self._secret, credential)
        if self._bootstrap is not None and hmac.compare_digest(key_hash, self._bootstrap):
            return Principal(DEFAULT_TENANT, "bootstrap", frozenset({Scope.ADMIN}))
        if KEY.fullmatch(credential):
            return await self._by_key(key_hash)
        return self._tokens.verify(credential)

    def forget(self) -> None:
        """Forget every key seen before: one has just been revoked."""
        self._known.clear()

    async def _by_key(self, key_hash: bytes) -> Principal:
        known = self._known.get(key_hash)
        if known is not None:
            return known
        stored = await self._database.in_time(self._read(key_hash))
        if stored is None:
            raise Unauthenticated
        principal = _principal(stored)
        self._known.put(key_hash, principal, ttl_s=stored.expires_in_s)
        return principal

    async def _read(self, key_hash: bytes) -> StoredKey | None:
        async with self._database.credentials(key_hash) as connection:
            return await Keys(connection).by_hash(key_hash)


def _principal(stored: StoredKey) -> Principal:
    scopes = frozenset(scope for scope in Scope if scope.value in stored.scopes)
    return Principal(stored.tenant_id, f"key:{stored.prefix}", scopes)


class _Cache:
    """The keys seen last, each for `CACHE_S` or until it expires, whichever is sooner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    def get(self, key_hash: bytes) -> Principal | None:
        entry = self._entries.get(key_hash)
        if entry is None or entry[1] <= self._clock():
            self._entries.pop(key_hash, None)
            return None
        self._entries.move_to_end(key_hash)
        return entry[0]

    def clear(self) -> None:
        self._entries.clear()

    def put(self, key_hash: bytes, principal: Principal, *, ttl_s: float | None) -> None:
        ttl = CACHE_S if ttl_s is None else min(CACHE_S, ttl_s)
        self._entries[key_hash] = (principal, self._clock() + ttl)
        while len(self._entries) > CACHE_SIZE:
            self._entries.popitem(last=False)
