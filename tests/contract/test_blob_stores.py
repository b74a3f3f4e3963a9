"""The blob store's promises, which the folder, S3 and the double all keep.

S3's adapter always runs over obstore's own memory store. It runs against a real endpoint, such as
`http://127.0.0.1:9000`, where `CITEWELL_TEST_S3_URL` names one with a bucket `citewell-test`.
"""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from shared.blobs.build import build_blob_store
from shared.blobs.folder import FolderBlobStore
from shared.blobs.listed import ListedBlobStore
from shared.blobs.memory import MemoryBlobStore
from shared.blobs.obstore import S3BlobStore
from shared.errors import NotFound, StorageFull
from shared.settings import BlobSettings

MIB = 1024 * 1024


class S3TestSettings(BaseSettings):
    citewell_test_s3_url: str = ""


ENDPOINT = S3TestSettings().citewell_test_s3_url
STORES = ["memory", "folder", "obstore", *(["s3"] if ENDPOINT else [])]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ListedBlobStore]:
    store = built(request, tmp_path)
    yield store
    store.close()


def built(request: pytest.FixtureRequest, tmp_path: Path) -> ListedBlobStore:
    if request.param == "memory":
        return MemoryBlobStore()
    if request.param == "folder":
        return build_blob_store(BlobSettings(url=(tmp_path / "blobs").as_uri()))
    if request.param == "obstore":
        return S3BlobStore(MemoryStore())
    request.applymarker(pytest.mark.enable_socket)
    return build_blob_store(
        BlobSettings(
            url=f"s3://citewell-test/{uuid.uuid4().hex}",
            s3_endpoint=ENDPOINT,
            s3_access_key_id=SecretStr("testing"),
            s3_secret_access_key=SecretStr("testing"),
        )
    )


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


async def stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def contents(store: ListedBlobStore, key: str) -> bytes:
    return b"".join([part async for part in store.read(key)])


async def listed(store: ListedBlobStore, age: timedelta) -> list[str]:
    return [key async for key in store.keys_before(datetime.now(UTC) - age)]


async def test_bytes_are_there_between_their_write_and_their_deletion(
    store: ListedBlobStore, key: str
) -> None:
    other = f"{key}-other"
    assert await store.present([key, other]) == set()
    await store.write(key, stream(b"one"))
    assert await store.present([key, other]) == {key}
    await store.delete(key)
    assert await store.present([key, other]) == set()


async def test_small_files_are_stored_together(store: ListedBlobStore, key: str) -> None:
    files = {f"{key}-{number}": b"%d" % number for number in range(20)}
    await store.write_all(files)
    assert await store.present(list(files)) == set(files)
    assert {one: await contents(store, one) for one in files} == files
    await store.write_all({})


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"",),
        (b"one",),
        (b"one", b"", b"two"),
        (b"x" * (8 * MIB),),
        (b"x" * (8 * MIB + 1),),
        tuple(bytes([n]) * MIB for n in range(20)),
    ],
    ids=["nothing", "empty", "small", "several", "one part", "just above", "twenty MiB"],
)
async def test_what_was_written_is_read_back(
    store: ListedBlobStore, key: str, parts: tuple[bytes, ...]
) -> None:
    size = await store.write(key, stream(*parts))
    assert size == sum(map(len, parts))
    assert await contents(store, key) == b"".join(parts)


async def test_fetch_makes_a_local_file(store: ListedBlobStore, key: str, tmp_path: Path) -> None:
    await store.write(key, stream(b"a" * MIB, b"b" * MIB))
    target = tmp_path / "local"
    await store.fetch(key, target)
    assert target.read_bytes() == b"a" * MIB + b"b" * MIB


async def test_a_local_disk_without_room_is_told(
    store: ListedBlobStore, key: str, tmp_path: Path
) -> None:
    await store.write(key, stream(b"a" * MIB))
    target = tmp_path / "local"
    target.symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        await store.fetch(key, target)


async def test_a_key_that_is_not_there_is_not_found(
    store: ListedBlobStore, key: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        await contents(store, key)
    with pytest.raises(NotFound):
        await store.fetch(key, tmp_path / "local")
    assert not (tmp_path / "local").exists()


@pytest.mark.parametrize("size", [10, 20 * MIB])
async def test_a_stream_that_breaks_leaves_nothing(
    store: ListedBlobStore, key: str, size: int
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for begin in range(0, size, MIB):
            yield b"x" * min(MIB, size - begin)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.write(key, broken())
    with pytest.raises(NotFound):
        await contents(store, key)
    assert await listed(store, timedelta(hours=-1)) == []


async def test_deleting_is_final_and_may_be_repeated(store: ListedBlobStore, key: str) -> None:
    await store.write(key, stream(b"gone soon"))
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(NotFound):
        await contents(store, key)


async def test_keys_are_listed_by_age(store: ListedBlobStore, key: str) -> None:
    await store.write(key, stream(b"kept"))
    assert await listed(store, timedelta(hours=-1)) == [key]
    assert await listed(store, timedelta(hours=1)) == []


async def test_many_writes_at_once_do_not_mix(store: ListedBlobStore) -> None:
    keys = [str(uuid.uuid4()) for _ in range(30)]
    await asyncio.gather(*(store.write(key, stream(key.encode(), b"!" * 1000)) for key in keys))
    for key in keys:
        assert await contents(store, key) == key.encode() + b"!" * 1000


async def test_ping_leaves_nothing_to_list(store: ListedBlobStore) -> None:
    await store.ping()
    assert await listed(store, timedelta(hours=-1)) == []


async def test_a_store_tells_its_room_or_that_it_knows_none(store: ListedBlobStore) -> None:
    free = await store.free_bytes()
    assert free is None or free > 0


async def test_a_folder_that_is_not_there_yet_has_its_disks_room(tmp_path: Path) -> None:
    free = await FolderBlobStore(tmp_path / "not" / "yet").free_bytes()
    assert free is not None
    assert abs(free - shutil.disk_usage(tmp_path).free) < 2**30
