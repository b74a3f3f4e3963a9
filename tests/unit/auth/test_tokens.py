"""JWTs: only the algorithms we have keys for, only with every claim (RFC 8725)."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from shared.auth.principal import Scope
from shared.auth.tokens import TokenVerifier, sign
from shared.errors import ConfigurationInvalid, Unauthenticated
from shared.settings import AuthSettings

# Fixed moments, so that the test has one name in every process of a parallel run.
YESTERDAY = 1_700_000_000
IN_TEN_YEARS = 2_100_000_000

SECRET = "a secret of more than thirty-two characters"  # noqa: S105
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = (
    PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


def verifier(**settings: Any) -> TokenVerifier:
    return TokenVerifier(AuthSettings(secret=SecretStr(SECRET), **settings))


def claims(**changes: Any) -> dict[str, Any]:
    held = {
        "tenant": "acme",
        "scopes": ["ingest", "query"],
        "aud": "citewell",
        "exp": time.time() + 60,
        "sub": "someone",
    }
    return {name: value for name, value in (held | changes).items() if value is not None}


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_a_good_token_names_tenant_subject_and_scopes() -> None:
    principal = verifier().verify(jwt.encode(claims(), SECRET, algorithm="HS256"))
    assert principal.tenant_id == "acme"
    assert principal.subject == "jwt:someone"
    assert principal.scopes == {Scope.INGEST, Scope.QUERY}
    assert not principal.may(Scope.ADMIN)


def test_a_token_of_the_private_key_is_good_where_its_public_key_is_set() -> None:
    token = jwt.encode(claims(), PRIVATE_PEM, algorithm="RS256")
    assert verifier(jwt_public_key=PUBLIC_PEM).verify(token).tenant_id == "acme"
    with pytest.raises(Unauthenticated):
        verifier().verify(token)


def test_the_public_key_as_an_hmac_secret_opens_nothing() -> None:
    head, body = encoded({"alg": "HS256", "typ": "JWT"}), encoded(claims())
    signature = hmac.digest(PUBLIC_PEM.encode(), f"{head}.{body}".encode(), hashlib.sha256)
    token = f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    with pytest.raises(Unauthenticated):
        verifier(jwt_public_key=PUBLIC_PEM).verify(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS512", "ES256", "", None, 7, {}])
def test_no_other_algorithm_is_taken(algorithm: object) -> None:
    head, body = encoded({"alg": algorithm, "typ": "JWT"}), encoded(claims())
    for signature in ("", "e30"):
        with pytest.raises(Unauthenticated):
            verifier(jwt_public_key=PUBLIC_PEM).verify(f"{head}.{body}.{signature}")


def test_an_hs512_token_with_the_right_secret_is_refused() -> None:
    secret = SECRET * 2
    token = jwt.encode(claims(), secret, algorithm="HS512")
    with pytest.raises(Unauthenticated):
        TokenVerifier(AuthSettings(secret=SecretStr(secret))).verify(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": YESTERDAY},
        {"exp": "soon"},
        {"nbf": IN_TEN_YEARS},
        {"aud": None},
        {"aud": "another"},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": " "},
        {"tenant": "a\0b"},
        {"tenant": 7},
        {"tenant": "x" * 201},
        {"scopes": None},
        {"scopes": "ingest"},
        {"scopes": {"ingest": True}},
    ],
    ids=str,
)
def test_every_claim_is_required_and_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        verifier().verify(jwt.encode(claims(**changes), SECRET, algorithm="HS256"))


def test_an_issuer_is_required_where_one_is_set() -> None:
    for issuer in (None, "another"):
        token = jwt.encode(claims(iss=issuer), SECRET, algorithm="HS256")
        with pytest.raises(Unauthenticated):
            verifier(jwt_issuer="https://issuer").verify(token)
    good = jwt.encode(claims(iss="https://issuer"), SECRET, algorithm="HS256")
    assert verifier(jwt_issuer="https://issuer").verify(good).tenant_id == "acme"


def test_scopes_nobody_knows_give_nothing() -> None:
    token = jwt.encode(claims(scopes=["root", 3, None]), SECRET, algorithm="HS256")
    assert verifier().verify(token).scopes == frozenset()


@pytest.mark.parametrize("garbage", ["", ".", "..", "a.b.c", "ü.ü.ü", "e30.e30.e30", "x" * 9000])
def test_garbage_is_refused_like_everything_else(garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier().verify(garbage)


@pytest.mark.parametrize("key", ["garbage", PRIVATE_PEM], ids=["garbage", "private"])
def test_a_key_that_is_no_public_key_keeps_the_service_from_starting(key: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_AUTH_JWT_PUBLIC_KEY"):
        verifier(jwt_public_key=key)


def test_a_token_of_our_own_is_verified_also_where_an_issuer_is_asked_for() -> None:
    settings = AuthSettings(secret=SecretStr(SECRET), jwt_issuer="us", jwt_audience="them")
    token = sign(settings, "acme", Scope.ADMIN, subject="clock", ttl_s=60)
    principal = TokenVerifier(settings).verify(token)
    assert (principal.tenant_id, principal.subject) == ("acme", "jwt:clock")
    assert principal.scopes == {Scope.ADMIN}
    with pytest.raises(Unauthenticated):
        verifier().verify(token)


def test_a_token_of_our_own_ends() -> None:
    settings = AuthSettings(secret=SecretStr(SECRET))
    token = sign(settings, "acme", Scope.ADMIN, subject="clock", ttl_s=-1)
    with pytest.raises(Unauthenticated):
        TokenVerifier(settings).verify(token)
