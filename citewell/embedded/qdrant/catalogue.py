"""The collections of one server by name and alias; a change is on disk before it is answered."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import qdrant_edge as edge

from citewell.embedded.qdrant.bodies import Object, as_object, as_text
from citewell.embedded.qdrant.configs import (
    build_config,
    build_index,
    changed,
    check_collection,
    check_index,
)
from citewell.embedded.qdrant.manifest import DataFolder, Entry
from citewell.embedded.qdrant.refusals import BadInput, Missing, Taken, missing_collection
from citewell.embedded.qdrant.shard import Shard

_LONGEST_NAME = 255
_NOT_IN_NAMES = frozenset('<>:"/\\|?*\0\x1f')


@dataclass(eq=False, slots=True)
class Collection:
    """A collection that is there: what the manifest says of it, and its shard.

    Attributes:
        asked: A `PATCH` asked for it to be optimised.
        optimizing: A copy of it is being optimised now.
        judged: `shard.writes` when it was last decided that optimising is not worth it.
        settled: `shard.writes` when it was last optimised.
    """

    name: str
    entry: Entry
    shard: Shard
    asked: bool = False
    optimizing: bool = False
    judged: int = -1
    settled: int = 0


class Catalogue:
    """Finds, makes and drops collections; safe to use from many threads."""

    def __init__(self, folder: DataFolder) -> None:
        """Read the manifest of a folder that is held, and remove what it does not name."""
        self._folder = folder
        self._manifest = folder.read()
        self._lock = Lock()
        folder.sweep(self._manifest)
        self._collections = {
            name: Collection(name, entry, self._shard(entry))
            for name, entry in self._manifest.collections.items()
        }

    def names(self) -> list[str]:
        """Return the collections' names, sorted."""
        return sorted(self._collections)

    def all(self) -> list[Collection]:
        """Return every collection."""
        return list(self._collections.values())

    def has(self, name: str) -> bool:
        """Tell whether a collection or alias of that name is there."""
        return self._manifest.aliases.get(name, name) in self._collections

    def get(self, name: str) -> Collection:
        """Return the collection of a name or alias.

        Raises:
            Missing: there is none.
        """
        collection = self._collections.get(self._manifest.aliases.get(name, name))
        if collection is None:
            raise missing_collection(name)
        return collection

    def create(self, name: str, body: Object) -> None:
        """Make an empty collection.

        Raises:
            Taken: the name is in use.
            BadInput: the name or a setting is wrong.
        """
        _check_name(name)
        entry = Entry(self._folder.new_shard(), check_collection(body))
        with self._lock:
            if self.has(name):
                raise Taken(f"Collection `{name}` already exists!")
            Shard.create(self._folder.shard(entry.folder), build_config(entry.settings))
            self._manifest.collections[name] = entry
            try:
                self._folder.write(self._manifest)
            except OSError:
                del self._manifest.collections[name]
                self._folder.remove_shard(entry.folder)
                raise
            self._collections[name] = Collection(name, entry, self._shard(entry))

    def update(self, name: str, body: Object) -> None:
        """Change a collection's settings, and have it optimised as Qdrant would."""
        collection = self.get(name)
        settings = changed(collection.entry.settings, body)
        with self._lock:
            collection.entry.settings = settings
            self._folder.write(self._manifest)
        collection.shard.reconfigure(build_config(settings))
        collection.asked = True

    def delete(self, name: str) -> bool:
        """Remove a collection, its aliases and its folder; False if there was none."""
        with self._lock:
            collection = self._collections.pop(name, None)
            if collection is None:
                return False
            del self._manifest.collections[name]
            aliases = self._manifest.aliases
            self._manifest.aliases = {a: to for a, to in aliases.items() if to != name}
            self._folder.write(self._manifest)
        collection.shard.drop()
        self._folder.remove_shard(collection.entry.folder)
        return True

    def aliases(self, name: str | None = None) -> list[dict[str, str]]:
        """List the aliases of one collection, or all."""
        return [
            {"alias_name": alias, "collection_name": target}
            for alias, target in sorted(self._manifest.aliases.items())
            if name in (None, target)
        ]

    def change_aliases(self, actions: Iterable[object]) -> None:
        """Do several alias actions as one: all of them or, if one is refused, none."""
        with self._lock:
            aliases = dict(self._manifest.aliases)
            for action in actions:
                self._change_alias(aliases, as_object(action, "action"))
            self._manifest.aliases = aliases
            self._folder.write(self._manifest)

    def create_index(self, name: str, field: str, schema: object) -> None:
        """Index a payload field; nothing is done where the same index is there."""
        collection, kept = self.get(name), check_index(schema)
        if collection.entry.indexes.get(field) == kept:
            return
        collection.shard.write(edge.UpdateOperation.create_field_index(field, build_index(kept)))
        with self._lock:
            collection.entry.indexes[field] = kept
            self._folder.write(self._manifest)

    def delete_index(self, name: str, field: str) -> None:
        """Remove a payload field's index; nothing is done where there is none."""
        collection = self.get(name)
        if field not in collection.entry.indexes:
            return
        collection.shard.write(edge.UpdateOperation.delete_field_index(field))
        with self._lock:
            del collection.entry.indexes[field]
            self._folder.write(self._manifest)

    def copy(self, collection: Collection) -> tuple[str, int]:
        """Copy a collection's shard; return the copy's name and the shard's `writes` in it."""
        name = self._folder.new_shard()
        try:
            return name, collection.shard.copy_to(self._folder.shard(name))
        except BaseException:
            self._folder.remove_shard(name)
            raise

    def copy_path(self, name: str) -> Path:
        """Return the folder of a copy."""
        return self._folder.shard(name)

    def discard(self, copy: str) -> None:
        """Remove a copy."""
        self._folder.remove_shard(copy)

    def adopt(self, collection: Collection, copy: str, writes: int) -> None:
        """Put an optimised copy in its collection's place; remove whichever of both is not used.

        A collection that was written to since it was copied, or dropped, stays as it is.
        """
        unused, entry = copy, collection.entry
        try:
            with collection.shard.held():
                if collection.shard.writes == writes:
                    old = entry.folder
                    collection.shard.move_to(
                        self._folder.shard(copy), lambda points: self._move(entry, copy, points)
                    )
                    unused, collection.settled = old, writes
        finally:
            self._folder.remove_shard(unused)

    def close(self, *, within_s: float) -> None:
        """Unload shards until the time is up; the log of those that are left is replayed."""
        end = time.monotonic() + within_s
        for collection in self.all():
            if time.monotonic() > end:
                return
            collection.shard.close()

    def _move(self, entry: Entry, copy: str, points: int) -> None:
        before = entry.folder, entry.optimized
        with self._lock:
            entry.folder, entry.optimized = copy, points
            try:
                self._folder.write(self._manifest)
            except OSError:
                entry.folder, entry.optimized = before
                raise

    def _shard(self, entry: Entry) -> Shard:
        return Shard(self._folder.shard(entry.folder), build_config(entry.settings))

    def _change_alias(self, aliases: dict[str, str], action: Object) -> None:
        if len(action) != 1:
            raise BadInput("aliases: expected one action an object")
        [(kind, raw)] = action.items()
        body = as_object(raw, kind)
        if kind == "create_alias":
            name, target = (as_text(body.get(k), k) for k in ("alias_name", "collection_name"))
            self._add_alias(aliases, name, target)
        elif kind == "delete_alias":
            aliases.pop(as_text(body.get("alias_name"), "alias_name"), None)
        elif kind == "rename_alias":
            old, new = (as_text(body.get(k), k) for k in ("old_alias_name", "new_alias_name"))
            if old not in aliases:
                raise Missing(f"Alias {old} does not exists!")
            self._add_alias(aliases, new, aliases.pop(old))
        else:
            raise BadInput(f"aliases: unknown action `{kind}`")

    def _add_alias(self, aliases: dict[str, str], name: str, target: str) -> None:
        _check_name(name)
        if target not in self._collections:
            raise missing_collection(target)
        if name in self._collections:
            raise Taken(f"Collection `{name}` already exists!")
        aliases[name] = target


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or not _NOT_IN_NAMES.isdisjoint(name):
        raise BadInput(f'collection name: 1 to {_LONGEST_NAME} characters, none of <>:"/\\|?*')
