"""API keys: long, recognisable, and stored as keyed hashes."""

import re

from shared.auth.keys import KEY, generate_key, hash_key, key_prefix
from shared.auth.principal import Principal, Scope


def test_a_key_is_of_the_documented_form_and_never_the_same() -> None:
    keys = {generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"cw_[A-Za-z0-9_-]{43}", key) for key in keys)
    assert all(KEY.fullmatch(key) for key in keys)


def test_a_hash_needs_the_secret() -> None:
    key = generate_key()
    assert hash_key("one", key) == hash_key("one", key)
    assert hash_key("one", key) != hash_key("other", key)
    assert len(hash_key("one", key)) == 32


def test_a_prefix_gives_little_away() -> None:
    key = generate_key()
    assert key.startswith(key_prefix(key))
    assert len(key_prefix(key)) == 11


def test_admin_implies_the_other_scopes() -> None:
    admin = Principal("acme", "key:x", frozenset({Scope.ADMIN}))
    assert admin.may(Scope.INGEST)
    reader = Principal("acme", "key:x", frozenset({Scope.QUERY}))
    assert reader.may(Scope.INGEST, Scope.QUERY)
    assert not reader.may(Scope.INGEST)
    assert not reader.may()
