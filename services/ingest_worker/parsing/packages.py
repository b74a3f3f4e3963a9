"""Zip packages of XML (OOXML, OpenDocument, EPUB): members within limits, XML without dangers."""

import io
from collections.abc import Iterator
from typing import Any
from zipfile import ZipFile

from lxml import etree  # type: ignore[import-untyped]
from typing_extensions import override

from shared.errors import CitewellError, FileCorrupt, FileTooLarge

# An 872-page handbook's text is 5 MB of XML; a bomb's is 300 MB and more.
MAX_MEMBER_BYTES = 128 * 1024 * 1024
_SAFE = {
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "remove_comments": True,
    "remove_pis": True,
}


class _Limited(io.RawIOBase):
    """A stream that fails beyond a limit: a zip's own word on its sizes may be false."""

    def __init__(self, stream: Any, limit: int, error: CitewellError) -> None:
        super().__init__()
        self._stream = stream
        self._left = limit
        self._error = error

    @override
    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        data: bytes = self._stream.read(min(size, 1 << 20) if size > 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise self._error
        return data

    @override
    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as there are at once: buffered readers ask this way."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @override
    def close(self) -> None:
        """Close the member."""
        self._stream.close()
        super().close()


def members(archive: ZipFile) -> list[str]:
    """Return the names of the members, each once, in the archive's order."""
    return list(dict.fromkeys(archive.namelist()))


def member(archive: ZipFile, name: str, limit: int = MAX_MEMBER_BYTES) -> io.RawIOBase:
    """Open a member for reading within a limit.

    Raises:
        FileCorrupt: there is no such member.
    """
    try:
        return limited(archive.open(name), limit)
    except KeyError as error:
        raise FileCorrupt(f"The document lacks its part {name}.") from error


def limited(stream: Any, limit: int, error: CitewellError | None = None) -> io.RawIOBase:
    """Return a binary stream that raises `error`, or `FileTooLarge`, beyond `limit` bytes."""
    too_large = FileTooLarge("A part of the document unpacks to more than is allowed.")
    return _Limited(stream, limit, error or too_large)


def content_of(archive: ZipFile, name: str) -> bytes:
    """Read a member as a whole."""
    with member(archive, name) as stream:
        return stream.read() or b""


def xml_root(archive: ZipFile, name: str) -> Any:
    """Parse a member as a whole."""
    return xml_tree(content_of(archive, name))


def xml_tree(content: bytes) -> Any:
    """Parse XML, without what could make it read or fetch anything else."""
    return etree.fromstring(content, etree.XMLParser(**_SAFE))


def xml_events(stream: io.RawIOBase, *tags: str) -> Iterator[Any]:
    """Yield each element of a stream, or each of these names, when it is complete."""
    for _, node in etree.iterparse(stream, events=("end",), tag=tags or None, **_SAFE):
        yield node
