"""Which files a person means by some paths, and what each is to be called.

A file below a named folder is called by its path from that folder, with slashes; a file named by
itself keeps the relative path it was named by, or its bare name if that leads out or is absolute.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePath

from citewell.client.models import File


class NothingToLoad(Exception):
    """The paths name no file."""


class NamesCollide(Exception):
    """Two different files would be called the same, and one would replace the other."""

    def __init__(self, name: str, first: Path, second: Path) -> None:
        """Name both files and the name they would share."""
        super().__init__(
            f"Both {first} and {second} would be called {name!r}. "
            "Name the folder above them, or load them into two collections."
        )


@dataclass(slots=True)
class Found:
    """Files to load in a stable order, and how many hidden ones were passed over."""

    files: list[File] = field(default_factory=list)
    hidden: int = 0


def find_files(paths: Sequence[str], patterns: Sequence[str] = ()) -> Found:
    """Walk folders and expand globs; `patterns` narrow what is taken from folders.

    Hidden files and folders are counted but not taken; links to folders are not followed.

    Raises:
        NothingToLoad: a path leads nowhere, or nothing is left.
        NamesCollide: two files would have one name.
    """
    found = Found()
    taken: dict[str, Path] = {}
    for path in _expanded(paths):
        for name, file in _named(path, patterns, found):
            known = taken.setdefault(name, file)
            if known is file:
                found.files.append(File(name=name, content=file))
            elif not known.samefile(file):
                raise NamesCollide(name, known, file)
    if not found.files:
        raise NothingToLoad(_nothing(paths, patterns, found.hidden))
    return found


def _expanded(paths: Sequence[str]) -> Iterator[Path]:
    for text in paths:
        path = Path(text).expanduser()
        if path.exists():
            yield path
            continue
        # A quoted pattern comes unexpanded from the shell. Path.glob takes no absolute one.
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
        if not matches:
            raise NothingToLoad(f"There is no file or folder {text!r}.")
        yield from map(Path, matches)


def _named(path: Path, patterns: Sequence[str], found: Found) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield _name_of(path), path
        return
    for folder, folders, names in os.walk(path):
        visible = sorted(name for name in folders if not name.startswith("."))
        found.hidden += len(folders) - len(visible)
        folders[:] = visible
        for name in sorted(names):
            file = Path(folder, name)
            if name.startswith("."):
                found.hidden += 1
            elif _wanted(relative := file.relative_to(path).as_posix(), patterns):
                yield relative, file


def _name_of(path: Path) -> str:
    leads_out = path.is_absolute() or ".." in path.parts
    return path.name if leads_out else PurePath(path).as_posix()


def _wanted(name: str, patterns: Sequence[str]) -> bool:
    bare = name.rpartition("/")[2]
    return not patterns or any(fnmatch(name, one) or fnmatch(bare, one) for one in patterns)


def _nothing(paths: Sequence[str], patterns: Sequence[str], hidden: int) -> str:
    of = f" that fits {' or '.join(patterns)}" if patterns else ""
    beside = f" ({hidden} hidden passed over)" if hidden else ""
    return f"There is no file{of} in {', '.join(paths)}{beside}."


def pack(files: Sequence[File], *, most_files: int, most_bytes: int) -> Iterator[list[File]]:
    """Cut files into requests of bounded count and size, in order; a huge file goes alone."""
    request: list[File] = []
    size = 0
    for file in files:
        length = _size(file)
        if request and (len(request) == most_files or size + length > most_bytes):
            yield request
            request, size = [], 0
        request.append(file)
        size += length
    if request:
        yield request


def _size(file: File) -> int:
    try:
        return file.size
    except OSError:
        # Gone or unreadable: the upload itself says so, by name.
        return 0
