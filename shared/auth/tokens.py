"""JSON Web Tokens: verified with the algorithm our configuration names, never the token's wish."""

from datetime import UTC, datetime, timedelta

import jwt
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from shared.auth.principal import Principal, Scope
from shared.errors import ConfigurationInvalid, Unauthenticated
from shared.settings import AuthSettings

REQUIRED_CLAIMS = ("exp", "aud", "tenant", "scopes")
MAX_TENANT_LENGTH = 200


class TokenVerifier:
    """Verifies HS256 tokens with the secret, and RS256 tokens with the public key if one is set.

    Each algorithm has its own key, so a token that says HS256 is never checked against the public
    key (RFC 8725, 2.1), and `none` has no key at all.
    """

    def __init__(self, settings: AuthSettings) -> None:
        """Read the keys.

        Raises:
            ConfigurationInvalid: the public key is not a PEM RSA key.
        """
        self._keys = {"HS256": settings.secret.get_secret_value()}
        if settings.jwt_public_key:
            _check_public_key(settings.jwt_public_key)
            self._keys["RS256"] = settings.jwt_public_key
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer or None

    def verify(self, token: str) -> Principal:
        """Return whom a token speaks for.

        Raises:
            Unauthenticated: its signature, algorithm, times or claims are not as they must be.
        """
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            claims = jwt.decode(
                token,
                key=self._keys[str(algorithm)],
                algorithms=[str(algorithm)],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": [*REQUIRED_CLAIMS, *(["iss"] if self._issuer else [])]},
            )
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            raise Unauthenticated from error
        return _principal(claims)


def sign(settings: AuthSettings, tenant_id: str, *scopes: Scope, subject: str, ttl_s: int) -> str:
    """Return a token of our own for one process to speak to another for a tenant, HS256."""
    claims: dict[str, object] = {
        "tenant": tenant_id,
        "scopes": [scope.value for scope in scopes],
        "sub": subject,
        "aud": settings.jwt_audience,
        "exp": datetime.now(UTC) + timedelta(seconds=ttl_s),
    }
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, settings.secret.get_secret_value(), algorithm="HS256")


def _principal(claims: dict[str, object]) -> Principal:
    tenant, scopes = claims["tenant"], claims["scopes"]
    if not isinstance(tenant, str) or not _names_a_tenant(tenant) or not isinstance(scopes, list):
        raise Unauthenticated
    known = frozenset(scope for scope in Scope if scope.value in scopes)
    return Principal(tenant_id=tenant, subject=f"jwt:{claims.get('sub', '')}", scopes=known)


def _names_a_tenant(tenant: str) -> bool:
    return 0 < len(tenant) <= MAX_TENANT_LENGTH and tenant.isprintable() and not tenant.isspace()


def _check_public_key(pem: str) -> None:
    try:
        key = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem)
    except (InvalidKeyError, ValueError, TypeError) as error:
        raise ConfigurationInvalid(
            "CITEWELL_AUTH_JWT_PUBLIC_KEY is not an RSA public key in PEM."
        ) from error
    if hasattr(key, "private_numbers"):
        raise ConfigurationInvalid(
            "CITEWELL_AUTH_JWT_PUBLIC_KEY holds a private key; set only its public half."
        )
