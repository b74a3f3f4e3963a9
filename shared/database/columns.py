"""What tables are made of: the naming of constraints, and the columns that many have."""

from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NOW = text("now()")
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
ZERO = text("0")

# Queue rows of chunks to embed again have a `seq` from here on: they come after all new work.
AGAIN = 2**62


def identifier() -> Column[object]:
    """Return the primary key: a UUID that is made here."""
    return Column("id", Uuid, primary_key=True)


def tenant() -> Column[object]:
    """Return whose row it is."""
    return Column("tenant_id", Text, nullable=False)


def refers(name: str, target: str, *, nullable: bool = False) -> Column[object]:
    """Return a foreign key whose row goes with its target."""
    return Column(name, Uuid, ForeignKey(target, ondelete="CASCADE"), nullable=nullable)


def moment(name: str, *, now: bool = False) -> Column[object]:
    """Return a point in time; `now` is its default, and it is never null."""
    default = NOW if now else None
    return Column(name, DateTime(timezone=True), nullable=not now, server_default=default)


def analysed() -> tuple[Column[Any], ...]:
    """Return what an index knows of its sparse terms.

    Which analyser made them; about how many of its chunks each language has.
    """
    return (
        Column("analyser", Text, nullable=False, server_default=""),
        Column("languages", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    )


def count(name: str) -> Column[object]:
    """Return a counter from 0."""
    return Column(name, Integer, nullable=False, server_default=ZERO)
