"""Cursors: where a list goes on. Opaque; a forged one only moves the start."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query

from shared.errors import InvalidInput

MAX_LIMIT = 100

Item = TypeVar("Item")

Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before.")
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items of a page.")]


def cursor_of(position: UUID | int | str) -> str:
    """Return the cursor for going on after a position."""
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def id_after(cursor: str | None) -> UUID | None:
    """Return the id a cursor stands for.

    Raises:
        InvalidInput: it is no cursor of such a list.
    """
    try:
        return None if cursor is None else UUID(_position(cursor))
    except ValueError as error:
        raise _invalid() from error


def number_after(cursor: str | None) -> int | None:
    """Return the number a cursor stands for.

    Raises:
        InvalidInput: it is no cursor of such a list.
    """
    position = None if cursor is None else _position(cursor)
    if position is None:
        return None
    if not position.isascii() or not position.isdigit() or len(position) > 9:  # noqa: PLR2004
        raise _invalid()
    return int(position)


def text_after(cursor: str | None) -> str | None:
    """Return the text a cursor stands for.

    Raises:
        InvalidInput: it is no cursor of such a list.
    """
    return None if cursor is None else _position(cursor)


def page(rows: Sequence[Item], limit: int) -> tuple[list[Item], bool]:
    """Cut `limit + 1` fetched rows to a page; tell whether there are more."""
    return list(rows[:limit]), len(rows) > limit


def _position(cursor: str) -> str:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = raw.decode()
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if "\0" in position:
        raise _invalid()
    return position


def _invalid() -> InvalidInput:
    return InvalidInput("cursor: use `next_cursor` of the page before, unchanged.")
