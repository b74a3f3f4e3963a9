"""The folder store: what was written is on the disk, and nothing escapes the folder."""

import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.blobs.build import build_blob_store
from shared.blobs.folder import FolderBlobStore
from shared.blobs.obstore import S3BlobStore
from shared.errors import ConfigurationInvalid, InvalidInput, StorageFull, StorageUnavailable
from shared.settings import BlobSettings

KEY = "0190-key"


async def stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, in order."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(descriptor: int) -> None:
        seen.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def noting_replace(self: Path, target: Path) -> Path:
        seen.append(f"rename to {target.parent.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    return seen


async def test_file_and_folder_are_synced_before_a_write_returns(
    tmp_path: Path, events: list[str]
) -> None:
    store = FolderBlobStore(tmp_path / "blobs")
    await store.write(KEY, stream(b"one", b"two"))
    # New folders are synced into their parents, the file before it gets its name, the name last.
    assert events == [
        f"fsync {tmp_path.name}",
        "fsync blobs",
        f"fsync {KEY}",
        "fsync blobs",
        "rename to ey",
        "fsync ey",
    ]
    events.clear()
    await store.write("0191-key", stream(b"three"))
    assert events == ["fsync 0191-key", "rename to ey", "fsync ey"]


async def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    await FolderBlobStore(tmp_path / "blobs").write(KEY, stream(b"x"))
    assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("key", ["../x", "a/b", "", ".", "..", "a\0b", "x" * 65, "-flag"])
async def test_a_key_cannot_name_another_place(tmp_path: Path, key: str) -> None:
    store = FolderBlobStore(tmp_path)
    with pytest.raises(InvalidInput):
        await store.write(key, stream(b"x"))
    with pytest.raises(InvalidInput):
        await store.delete(key)


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def raising(number: int) -> Callable[[int], None]:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EIO, StorageUnavailable),
    ],
)
async def test_a_disk_that_refuses_leaves_no_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    store = FolderBlobStore(tmp_path)
    await store.write("warm-up", stream(b"x"))
    monkeypatch.setattr(os, "fsync", raising(number))
    with pytest.raises(error):
        await store.write(KEY, stream(b"x"))
    assert files(tmp_path) == ["warm-up"]


async def test_a_store_that_cannot_be_written_does_not_ping(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable):
        await FolderBlobStore(tmp_path / "file" / "blobs").ping()


def test_the_settings_name_the_store(tmp_path: Path) -> None:
    assert isinstance(build_blob_store(BlobSettings(url=tmp_path.as_uri())), FolderBlobStore)
    assert isinstance(build_blob_store(BlobSettings(url="s3://bucket/prefix")), S3BlobStore)


@pytest.mark.parametrize("url", ["", "file://", "file:///", "file://host/x", "s3://", "ftp://x/y"])
def test_another_url_keeps_the_service_from_starting(url: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_BLOBS_URL"):
        build_blob_store(BlobSettings(url=url))


async def test_a_closed_store_has_no_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = FolderBlobStore(tmp_path)
    await store.write(KEY, stream(b"x"))
    own = set(threading.enumerate()) - before
    assert own
    store.close()
    for thread in own:
        thread.join(10)
        assert not thread.is_alive()
