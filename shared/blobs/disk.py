"""What a disk of this machine refuses, as the errors of the blob store's port."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import CitewellError, NotFound, StorageFull, StorageUnavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate what reading and writing files raises.

    Raises:
        NotFound: there is no such file.
        StorageFull: there is no room.
        StorageUnavailable: anything else.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("There is no blob of that key.") from error
    except OSError as error:
        known: type[CitewellError] = StorageFull if error.errno in _FULL else StorageUnavailable
        raise known from error
