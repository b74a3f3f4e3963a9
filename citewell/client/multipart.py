"""An upload's body (RFC 7578), streamed: no file is whole in memory, none open before its turn.

httpx encodes multipart too, but wants every file open from the start and reads them on the event
loop; here a request of a thousand files holds one descriptor, read by a worker thread, small files
some at a time.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

import anyio

from citewell.client.errors import FileUnreadable
from citewell.client.models import File

BLOCK = 256 * 1024
SHORTER = "it became shorter while it was being sent"
# What WHATWG's form encoding escapes in a name; everything else goes as it is, in UTF-8.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class Form:
    """Fields and files of one upload, with the sizes the files had when it was made."""

    fields: Mapping[str, str]
    files: Sequence[tuple[File, int]]
    boundary: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the body."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self.boundary}",
            "Content-Length": str(self._length()),
        }

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body; may be called again for another try.

        Raises:
            FileUnreadable: a file is gone, not readable, or not of the size it had.
        """
        yield self._opening()
        for run in _runs(self.files):
            if len(run) > 1:
                yield await anyio.to_thread.run_sync(self._joined, run)
                continue
            [(file, size)] = run
            yield self._head(file)
            async for block in _content(file, size):
                yield block
            yield b"\r\n"
        yield self._ending()

    def _joined(self, files: Sequence[tuple[File, int]]) -> bytes:
        parts = [(self._head(file), _whole(file, size), b"\r\n") for file, size in files]
        return b"".join(piece for part in parts for piece in part)

    def _length(self) -> int:
        heads = sum(len(self._head(file)) + size + 2 for file, size in self.files)
        return len(self._opening()) + heads + len(self._ending())

    def _opening(self) -> bytes:
        return b"".join(
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            f"{value}\r\n".encode()
            for name, value in self.fields.items()
        )

    def _head(self, file: File) -> bytes:
        name = file.name.translate(_ESCAPES)
        return (
            f"--{self.boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape")

    def _ending(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


def build_form(fields: Mapping[str, str], files: Sequence[File]) -> Form:
    """Measure the files and make the form.

    Raises:
        FileUnreadable: the size of a file cannot be read.
    """
    measured = [(file, _size(file)) for file in files]
    return Form(fields=fields, files=measured, boundary=token_hex(16))


def _size(file: File) -> int:
    try:
        return file.size
    except OSError as error:
        raise FileUnreadable(file.name, error.strerror or str(error)) from error


def _runs(files: Sequence[tuple[File, int]]) -> Iterator[list[tuple[File, int]]]:
    """Cut the files into runs of at most BLOCK bytes; a larger file is a run of its own."""
    run: list[tuple[File, int]] = []
    held = 0
    for file, size in files:
        if run and held + size > BLOCK:
            yield run
            run, held = [], 0
        run.append((file, size))
        held += size
    if run:
        yield run


def _whole(file: File, size: int) -> bytes:
    """Read a small file at once, as far as it was when the form was made."""
    if isinstance(file.content, bytes):
        return file.content
    try:
        with file.content.open("rb") as stream:
            content = stream.read(size)
    except OSError as error:
        raise FileUnreadable(file.name, error.strerror or str(error)) from error
    if len(content) < size:
        raise FileUnreadable(file.name, SHORTER)
    return content


async def _content(file: File, size: int) -> AsyncIterator[bytes]:
    if isinstance(file.content, bytes):
        yield file.content
        return
    left = size
    try:
        async with await anyio.open_file(file.content, "rb") as stream:
            while left and (block := await stream.read(min(BLOCK, left))):
                left -= len(block)
                yield block
    except OSError as error:
        raise FileUnreadable(file.name, error.strerror or str(error)) from error
    if left:
        raise FileUnreadable(file.name, SHORTER)
