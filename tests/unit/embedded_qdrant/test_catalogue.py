"""The catalogue: names, aliases and indexes, and what of them is on disk."""

from typing import Any

import pytest
import qdrant_edge as edge

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.manifest import DataFolder, FolderTaken
from citewell.embedded.qdrant.refusals import BadInput, Missing, Refused, Taken
from tests.support.qdrant import COLLECTION


def count(catalogue: Catalogue, name: str) -> int:
    points: int = catalogue.get(name).shard.read(lambda shard: shard.count(edge.CountRequest()))
    return points


def alias(name: str, target: str) -> dict[str, Any]:
    return {"create_alias": {"alias_name": name, "collection_name": target}}


def reopened(catalogue: Catalogue, folder: DataFolder) -> Catalogue:
    catalogue.close(within_s=10)
    return Catalogue(folder)


def test_everything_is_there_after_a_restart(filled: Catalogue, folder: DataFolder) -> None:
    filled.change_aliases([alias("first", "one")])
    filled.create_index("one", "n", {"type": "integer"})
    filled.update("one", {"hnsw_config": {"m": 8}})
    again = reopened(filled, folder)
    assert again.names() == ["one"]
    assert count(again, "first") == 5
    entry = again.get("one").entry
    assert entry.indexes == {"n": {"type": "integer"}}
    assert entry.settings == {**COLLECTION, "hnsw_config": {"m": 8}}
    schema = again.get("one").shard.read(lambda shard: shard.info().payload_schema)
    assert list(schema) == ["n"]
    again.close(within_s=10)


def test_a_name_is_taken_once(filled: Catalogue) -> None:
    filled.change_aliases([alias("first", "one")])
    for name in ("one", "first"):
        with pytest.raises(Taken, match="already exists"):
            filled.create(name, COLLECTION)


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a" * 256, "a?", "\0"])
def test_names_that_qdrant_refuses_are_refused(catalogue: Catalogue, name: str) -> None:
    with pytest.raises(BadInput):
        catalogue.create(name, COLLECTION)


def test_a_collection_that_cannot_be_built_leaves_nothing(
    catalogue: Catalogue, folder: DataFolder
) -> None:
    with pytest.raises(BadInput):
        catalogue.create("one", {"vectors": {}})
    assert catalogue.names() == []
    assert folder.read().collections == {}


def test_a_deleted_collection_takes_its_folder_and_aliases(
    filled: Catalogue, folder: DataFolder
) -> None:
    filled.change_aliases([alias("first", "one")])
    collection = filled.get("one")
    where = folder.shard(collection.entry.folder)
    assert where.exists()
    assert filled.delete("one")
    assert not where.exists()
    assert filled.aliases() == []
    assert not filled.delete("one")
    with pytest.raises(Missing, match="Collection `one` doesn't exist!"):
        filled.get("one")
    with pytest.raises(Missing, match="deleted meanwhile"):
        collection.shard.read(lambda shard: shard.info())


def test_a_collection_made_anew_is_empty(filled: Catalogue) -> None:
    filled.delete("one")
    filled.create("one", COLLECTION)
    assert count(filled, "one") == 0


def test_aliases_are_made_moved_and_removed(filled: Catalogue) -> None:
    filled.create("two", COLLECTION)
    filled.change_aliases([alias("a", "one"), alias("b", "one")])
    rename = {"rename_alias": {"old_alias_name": "b", "new_alias_name": "c"}}
    filled.change_aliases([alias("a", "two"), rename])
    assert filled.aliases("one") == [{"alias_name": "c", "collection_name": "one"}]
    assert filled.aliases("two") == [{"alias_name": "a", "collection_name": "two"}]
    filled.change_aliases([{"delete_alias": {"alias_name": "a"}}])
    assert len(filled.aliases()) == 1


@pytest.mark.parametrize(
    "action",
    [
        alias("x", "nowhere"),
        alias("one", "one"),
        alias("a/b", "one"),
        {"rename_alias": {"old_alias_name": "none", "new_alias_name": "c"}},
        {"drop_alias": {}},
        {},
        {"create_alias": 5},
        {"create_alias": {"alias_name": "x"}},
    ],
    ids=str,
)
def test_refused_actions_change_no_alias_at_all(filled: Catalogue, action: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        filled.change_aliases([alias("good", "one"), action])
    assert filled.aliases() == []


def test_an_index_is_made_once_and_removed(filled: Catalogue) -> None:
    shard = filled.get("one").shard
    filled.create_index("one", "n", "integer")
    writes = shard.writes
    filled.create_index("one", "n", {"type": "integer"})
    assert shard.writes == writes
    filled.delete_index("one", "n")
    filled.delete_index("one", "n")
    assert shard.read(lambda engine: engine.info().payload_schema) == {}


def test_folders_that_no_collection_uses_are_swept(filled: Catalogue, folder: DataFolder) -> None:
    left = folder.shard(folder.new_shard())
    left.mkdir()
    again = reopened(filled, folder)
    assert not left.exists()
    assert count(again, "one") == 5
    again.close(within_s=10)


def test_a_folder_is_held_by_one_server(folder: DataFolder) -> None:
    with folder.held(), pytest.raises(FolderTaken, match="in use by process"), folder.held():
        pass
    with folder.held():
        pass


def test_shards_left_when_the_time_is_up_are_still_whole(
    filled: Catalogue, folder: DataFolder
) -> None:
    filled.close(within_s=-1)
    assert filled.get("one").shard.is_open
    filled.close(within_s=10)
    assert count(Catalogue(folder), "one") == 5


class TestFullDisk:
    """The manifest cannot be written, or the engine has no room."""

    @pytest.fixture(autouse=True)
    def full(self, filled: Catalogue, folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        assert filled.has("one")

        def fail(*_: object) -> None:
            raise OSError("no room")

        monkeypatch.setattr(folder, "write", fail)

    def test_no_collection_is_made(self, filled: Catalogue, folder: DataFolder) -> None:
        with pytest.raises(OSError, match="no room"):
            filled.create("two", COLLECTION)
        assert filled.names() == ["one"]
        assert len(list(folder.shard("").iterdir())) == 1

    def test_an_optimised_copy_is_not_used(self, filled: Catalogue, folder: DataFolder) -> None:
        collection = filled.get("one")
        copy, writes = filled.copy(collection)
        with pytest.raises(OSError, match="no room"):
            filled.adopt(collection, copy, writes)
        assert count(filled, "one") == 5
        assert folder.read().collections["one"].folder == collection.entry.folder
        assert not folder.shard(copy).exists()

    def test_half_a_copy_is_removed(
        self, filled: Catalogue, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        collection = filled.get("one")
        monkeypatch.setattr(collection.shard, "flush", lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            filled.copy(collection)
        assert len(list(folder.shard("").iterdir())) == 1

    def test_points_are_refused(self, filled: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("citewell.embedded.qdrant.shard._LEAST_ROOM", 1 << 62)
        with pytest.raises(Refused, match="No space left on device") as refused:
            filled.get("one").shard.write(edge.UpdateOperation.delete_points([1]))
        assert refused.value.status == 500
        assert count(filled, "one") == 5
