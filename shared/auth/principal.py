"""Who a request comes from and what it may do."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_TENANT = "default"


class Scope(StrEnum):
    """What a credential allows; `admin` implies the others."""

    INGEST = "ingest"
    QUERY = "query"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller; the tenant of a request comes from here and from nowhere else.

    `subject` names the credential for logs: `key:<prefix>`, `jwt:<sub>` or `bootstrap`.
    """

    tenant_id: str
    subject: str
    scopes: frozenset[Scope]

    def may(self, *scopes: Scope) -> bool:
        """Tell whether one of these scopes is held."""
        return Scope.ADMIN in self.scopes or not self.scopes.isdisjoint(scopes)
