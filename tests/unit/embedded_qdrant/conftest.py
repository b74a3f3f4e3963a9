"""A catalogue on a folder of the test's, with a collection that has some points."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.manifest import DataFolder
from citewell.embedded.qdrant.points import build_upsert
from tests.support.qdrant import COLLECTION


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


@pytest.fixture
def catalogue(folder: DataFolder) -> Iterator[Catalogue]:
    catalogue = Catalogue(folder)
    yield catalogue
    catalogue.close(within_s=10)


@pytest.fixture
def filled(catalogue: Catalogue) -> Catalogue:
    """Collection `one` with points 1 to 5, numbered in their payload."""
    catalogue.create("one", COLLECTION)
    rows = [
        {"id": n, "vector": {"dense": [1.0, n]}, "payload": {"n": n, "even": n % 2 == 0}}
        for n in range(1, 6)
    ]
    operation, size = build_upsert({"points": rows})
    catalogue.get("one").shard.write(operation, size=size)
    return catalogue
