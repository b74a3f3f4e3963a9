"""What the server refuses, with the status and words Qdrant itself would answer with."""

_OURS = ("Service runtime error", "Service internal error", "Inconsistent storage", "Out of memory")
_LONGEST = 500  # PyO3 names every variant it tried; the first lines say what was wrong


class Refused(Exception):
    """A request that is answered with an error."""

    status = 500
    beginning = ""

    @property
    def message(self) -> str:
        """What goes out as `status.error`."""
        return self.beginning + str(self)


class BadInput(Refused):
    """The request is malformed or does not fit the collection."""

    status = 400
    beginning = "Wrong input: "


class Missing(Refused):
    """There is no such collection, point or alias."""

    status = 404
    beginning = "Not found: "


class Taken(Refused):
    """The name is in use."""

    status = 409
    beginning = "Wrong input: "


class KeyRefused(Refused):
    """The request carries no or a wrong `api-key`."""

    status = 401


class BodyTooLarge(Refused):
    """The request's body is longer than is taken."""

    status = 413


def missing_collection(name: str) -> Missing:
    """Say that a collection is not there, in Qdrant's words."""
    return Missing(f"Collection `{name}` doesn't exist!")


def refusal_of(error: Exception) -> Refused:
    """Read an exception of the engine: the sender's fault unless its text says it is ours.

    The engine raises a bare `Exception` for everything it finds wrong itself, and `TypeError`,
    `ValueError` or `OverflowError` for values that do not fit its types.
    """
    if isinstance(error, Refused):
        return error
    message = str(error)[:_LONGEST]
    if type(error) not in {Exception, TypeError, ValueError, OverflowError}:
        return Refused("Service internal error: see the server's log")
    if message.startswith(_OURS):
        return Refused(message)
    if message.startswith("No point with id"):
        return Missing(message)
    return BadInput(message)
