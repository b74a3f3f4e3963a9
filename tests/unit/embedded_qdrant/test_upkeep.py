"""Upkeep: what is optimised and when, and that a write in between is never lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import qdrant_edge as edge

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.manifest import DataFolder
from citewell.embedded.qdrant.points import build_upsert
from citewell.embedded.qdrant.upkeep import Upkeep
from tests.support.waiting import until

SOON_S = 20


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citewell.embedded.qdrant.upkeep._EVERY_S", 0.02)
    monkeypatch.setattr("citewell.embedded.qdrant.upkeep._LOOK_EVERY_S", 0.02)


@pytest.fixture
async def upkeep(filled: Catalogue) -> AsyncIterator[None]:
    task = asyncio.create_task(Upkeep(filled, quiet_s=0.01, worth_points=5).run())
    yield
    task.cancel()
    await asyncio.wait([task])


def write(catalogue: Catalogue, *ids: int) -> None:
    rows = [{"id": id_, "vector": {"dense": [1, id_]}} for id_ in ids]
    catalogue.get("one").shard.write(build_upsert({"points": rows})[0], size=len(rows))


def count(catalogue: Catalogue) -> int:
    points: int = catalogue.get("one").shard.read(lambda shard: shard.count(edge.CountRequest()))
    return points


@pytest.mark.usefixtures("upkeep")
async def test_a_collection_is_optimised_in_the_quiet(
    filled: Catalogue, folder: DataFolder
) -> None:
    collection = filled.get("one")
    before = folder.shard(collection.entry.folder)
    await until(lambda: collection.entry.optimized == 5, within_s=SOON_S)
    await until(lambda: not before.exists())
    assert folder.read().collections["one"].folder == collection.entry.folder
    assert count(filled) == 5
    await until(lambda: not collection.optimizing)


@pytest.mark.usefixtures("upkeep")
async def test_few_news_are_not_worth_it_unless_asked_for(
    filled: Catalogue, folder: DataFolder
) -> None:
    collection = filled.get("one")
    await until(lambda: collection.judged == collection.shard.writes, within_s=SOON_S)
    settled = collection.entry.folder
    write(filled, 6)
    await until(lambda: collection.judged == collection.shard.writes, within_s=SOON_S)
    assert collection.entry.folder == settled
    filled.update("one", {"optimizers_config": {}})
    await until(lambda: collection.entry.optimized == 6, within_s=SOON_S)
    await until(lambda: len(list(folder.shard("").iterdir())) == 1)


@pytest.mark.usefixtures("upkeep")
async def test_a_write_ends_the_attempt_and_is_kept(filled: Catalogue, folder: DataFolder) -> None:
    collection = filled.get("one")
    await until(lambda: collection.optimizing, within_s=SOON_S)
    write(filled, 6)
    await until(lambda: not collection.optimizing, within_s=SOON_S)
    assert count(filled) == 6
    await until(lambda: collection.entry.optimized == 6, within_s=SOON_S)
    assert count(filled) == 6
    await until(lambda: len(list(folder.shard("").iterdir())) == 1)


@pytest.mark.usefixtures("upkeep")
async def test_a_collection_may_be_dropped_meanwhile(filled: Catalogue, folder: DataFolder) -> None:
    collection = filled.get("one")
    await until(lambda: collection.optimizing, within_s=SOON_S)
    filled.delete("one")
    await until(lambda: not collection.optimizing, within_s=SOON_S)
    await until(lambda: not list(folder.shard("").iterdir()))


def test_a_copy_that_is_out_of_date_is_not_used(filled: Catalogue, folder: DataFolder) -> None:
    collection = filled.get("one")
    copy, writes = filled.copy(collection)
    write(filled, 6)
    filled.adopt(collection, copy, writes)
    assert not folder.shard(copy).exists()
    assert collection.entry.folder != copy
    assert count(filled) == 6


async def test_changes_are_flushed_after_a_while(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citewell.embedded.qdrant.upkeep._FLUSH_AFTER_S", 0.0)
    shard = filled.get("one").shard
    assert shard.dirty_s > 0
    task = asyncio.create_task(Upkeep(filled, quiet_s=0).run())
    await until(lambda: shard.dirty_s == 0)
    assert shard.is_open
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("limit", ["_UNLOAD_AFTER_S", "_MOST_LOADED"])
async def test_shards_that_are_not_needed_are_unloaded(
    filled: Catalogue, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"citewell.embedded.qdrant.upkeep.{limit}", 0)
    shard = filled.get("one").shard
    task = asyncio.create_task(Upkeep(filled, quiet_s=0).run())
    await until(lambda: not shard.is_open)
    assert count(filled) == 5
    task.cancel()
    await asyncio.wait([task])


async def test_a_failing_optimisation_leaves_the_collection_alone(
    filled: Catalogue, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citewell.embedded.qdrant.upkeep._CHILD", "/nowhere.py")
    task = asyncio.create_task(Upkeep(filled, quiet_s=0.01, worth_points=1).run())
    collection = filled.get("one")
    await until(lambda: collection.judged == collection.shard.writes, within_s=SOON_S)
    assert count(filled) == 5
    assert len(list(folder.shard("").iterdir())) == 1
    task.cancel()
    await asyncio.wait([task])
