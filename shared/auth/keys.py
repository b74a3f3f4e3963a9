"""API keys: how one is made, recognised and hashed. Only the hash is ever stored."""

import hashlib
import hmac
import re
import secrets

KEY = re.compile(r"cw_[A-Za-z0-9_-]{43}")
PREFIX_LENGTH = 11


def generate_key() -> str:
    """Return a fresh key of 256 random bits, such as `cw_3vX…` (46 characters)."""
    return f"cw_{secrets.token_urlsafe(32)}"


def hash_key(secret: str, key: str) -> bytes:
    """Return the HMAC-SHA256 of a key under the deployment's secret, as rows hold it.

    Keyed, so that a stolen database alone lets nobody check a guess; fast, because 256 random bits
    need no slow hash.
    """
    return hmac.digest(secret.encode(), key.encode("utf-8", "surrogatepass"), hashlib.sha256)


def key_prefix(key: str) -> str:
    """Return the start of a key by which people recognise it in a list."""
    return key[:PREFIX_LENGTH]
