"""A window on a list in the order of ids: after one, before another, from either end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Window:
    """Up to `limit` items between two ids, both left out, in the order that is asked for.

    With `before` alone these are the last ones before it, else the first ones.
    """

    limit: int
    ascending: bool = True
    after: UUID | None = None
    before: UUID | None = None

    @property
    def backwards(self) -> bool:
        """Whether rows are read from the far end."""
        return self.before is not None and self.after is None

    @property
    def direction(self) -> str:
        """The order of the statement that reads it, for SQL."""
        return "ASC" if self.ascending != self.backwards else "DESC"

    @property
    def bind(self) -> dict[str, object]:
        """The parameters `low`, `high` and `limit`, which is one more than asked for."""
        low, high = (self.after, self.before) if self.ascending else (self.before, self.after)
        return {"low": low or FIRST, "high": high or LAST, "limit": self.limit + 1}

    def page(self, rows: Sequence[Row]) -> tuple[list[Row], bool]:
        """Cut what was read to the page, in its order; tell whether there is more."""
        shown = list(rows[: self.limit])
        return (shown[::-1] if self.backwards else shown), len(rows) > self.limit
