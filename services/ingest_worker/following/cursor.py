"""A position as a reader keeps it: the id of an event, sent back as `Last-Event-ID`."""

import re

from services.ingest_worker.following.pruning import KEPT_DAYS
from shared.database.events import Position
from shared.errors import InvalidInput

CURSOR = re.compile(r"([0-9]{1,19})-([0-9]{1,19})-([0-9]{1,11})")
LARGEST = 2**63 - 1
# Events are pruned by their own age; no transaction, and no round of pruning, is an hour off.
KEPT_S = KEPT_DAYS * 86_400 - 3_600


def cursor_of(position: Position) -> str:
    """Return the id of an event at a position; it says too how old it is."""
    return f"{position.xid}-{position.seq}-{position.at_s}"


def position_of(cursor: str) -> Position:
    """Return the position an id stands for; a forged one only moves the start.

    Raises:
        InvalidInput: it is no id of an event.
    """
    found = CURSOR.fullmatch(cursor)
    numbers = [int(number) for number in found.groups()] if found else []
    if not numbers or max(numbers) > LARGEST:
        raise InvalidInput("Last-Event-ID: send the `id` of an event, unchanged, or none.")
    return Position(*numbers)


def may_go_on(position: Position, head: Position) -> bool:
    """Tell whether all events after a position are still there.

    One ahead of the database's own transactions is of another database.
    """
    return position.xid <= head.xid and head.at_s - position.at_s < KEPT_S
