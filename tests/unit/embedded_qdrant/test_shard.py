"""Shards: loading, flushing, copying, moving."""

from pathlib import Path

import pytest
import qdrant_edge as edge

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.configs import build_config
from citewell.embedded.qdrant.points import build_delete
from citewell.embedded.qdrant.shard import Shard
from tests.support.qdrant import COLLECTION


@pytest.fixture
def shard(filled: Catalogue) -> Shard:
    return filled.get("one").shard


def count(shard: Shard) -> int:
    points: int = shard.read(lambda engine: engine.count(edge.CountRequest()))
    return points


def test_a_shard_is_loaded_when_first_used(filled: Catalogue) -> None:
    filled.create("two", COLLECTION)
    shard = filled.get("two").shard
    assert not shard.is_open
    assert count(shard) == 0
    assert shard.is_open


def test_a_closed_shard_comes_back_with_its_points(shard: Shard) -> None:
    shard.close()
    assert not shard.is_open
    assert count(shard) == 5


def test_changes_are_dirty_until_they_are_flushed(shard: Shard) -> None:
    assert shard.dirty_s > 0
    shard.flush()
    assert shard.dirty_s == 0


def test_a_failed_write_counts_as_one(shard: Shard) -> None:
    before = shard.writes
    with pytest.raises(Exception, match="No point with id"):
        shard.write(edge.UpdateOperation.set_payload([99], {"a": 1}))
    assert shard.writes == before + 1


def test_a_copy_is_a_whole_shard_of_its_own(shard: Shard, tmp_path: Path) -> None:
    writes = shard.copy_to(tmp_path / "copy")
    assert writes == shard.writes
    shard.write(build_delete({"points": [1, 2]}))
    copy = Shard(tmp_path / "copy", build_config(COLLECTION))
    assert (count(shard), count(copy)) == (3, 5)
    copy.close()


def test_a_copy_takes_no_more_room_than_what_is_written(shard: Shard, tmp_path: Path) -> None:
    shard.copy_to(tmp_path / "copy")
    files = [path.stat() for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    reserved, written = sum(s.st_size for s in files), sum(s.st_blocks * 512 for s in files)
    assert written < reserved / 10


def test_a_copied_file_is_the_same_byte_for_byte(shard: Shard, tmp_path: Path) -> None:
    shard.copy_to(tmp_path / "copy")
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert copied
    for path in copied:
        (original,) = tmp_path.glob(f"data/shards/*/{path.relative_to(tmp_path / 'copy')}")
        assert path.read_bytes() == original.read_bytes(), path


def test_a_shard_moves_once_the_move_is_recorded(shard: Shard, tmp_path: Path) -> None:
    shard.copy_to(tmp_path / "copy")
    told: list[int] = []
    shard.move_to(tmp_path / "copy", told.append)
    assert told == [5]
    shard.write(build_delete({"points": [1]}))
    shard.close()
    copy = Shard(tmp_path / "copy", build_config(COLLECTION))
    assert count(copy) == 4
    copy.close()


def test_a_shard_stays_where_it_is_if_the_move_cannot_be_recorded(
    shard: Shard, tmp_path: Path
) -> None:
    shard.copy_to(tmp_path / "copy")

    def fail(_: int) -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        shard.move_to(tmp_path / "copy", fail)
    shard.write(build_delete({"points": [1]}))
    copy = Shard(tmp_path / "copy", build_config(COLLECTION))
    assert (count(shard), count(copy)) == (4, 5)
    copy.close()


def test_another_configuration_is_used_from_the_next_load_on(shard: Shard) -> None:
    shard.reconfigure(build_config({**COLLECTION, "hnsw_config": {"m": 8}}))
    assert count(shard) == 5


def test_loading_and_closing_keeps_no_files_open(shard: Shard) -> None:
    count(shard)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        shard.close()
        count(shard)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
