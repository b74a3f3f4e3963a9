"""Which files are spoilt, and how: by a seed and a number, so that each can be made again."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from shared.settings import MIB
from tests.contract.test_parsers import FORMATS
from tests.faults.kit.mutations import spoil
from tests.faults.kit.settings import FuzzSettings
from tests.support.files import write_files

MAX_SEED_BYTES = 2 * MIB
# Ends that tell of a fault in a reader.
FAULTS = {"parser_crashed", "parse_timeout"}


def made_seeds(folder: Path, count: int, seed: int) -> list[Path]:
    """Write `count` files of the usual formats, and a small one of each that can be written."""
    small = folder / "small"
    small.mkdir(parents=True)
    for name, write in FORMATS.items():
        write(small / name)
    write_files(folder, count, seed)
    return seeds_in(folder, "")


def wanted_seeds(settings: FuzzSettings, folder: Path) -> list[Path]:
    """Return the files of the folder that is set, else some that are made; never none."""
    if settings.folder is None:
        made_seeds(folder, 100, settings.seed)
    seeds = seeds_in(settings.folder or folder, settings.only)
    assert seeds, f"nothing to spoil in {settings.folder}"
    return seeds


def seeds_in(folder: Path, only: str) -> list[Path]:
    """The files to spoil, the same for the same folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.name.endswith(only))
    return [path for path in files if path.is_file() and 0 < path.stat().st_size <= MAX_SEED_BYTES]


def spoilt_file(seeds: list[Path], seed: int, number: int) -> tuple[Path, bytes]:
    """Return the spoilt file of this number, and what it was made of."""
    dice = random.Random(f"{seed}-{number}")
    path = dice.choice(seeds)
    return path, spoil(path.read_bytes(), dice)


def spoilt_files(seeds: list[Path], seed: int, most_s: float) -> Iterator[tuple[int, Path, bytes]]:
    """Spoilt files for as long as there is time, with their numbers."""
    end = time.monotonic() + most_s
    number = 0
    while time.monotonic() < end:
        yield number, *spoilt_file(seeds, seed, number)
        number += 1
