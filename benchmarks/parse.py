"""PDF pages a CPU-second, memory and words found: Citewell's reader beside others, interleaved.

    python benchmarks/parse.py FOLDER [--peer NAME=PYTHON ...] [--rounds 3] [--slow-pages 700]

Each reader is a script in `readers/`, run in a process of its own, by a Python of its own where
`--peer` names one (`pymupdf_text=/opt/peers/bin/python`). The words of `pypdfium2_bare` are the
reference: recall is the share of them (by count) that a reader finds, too. Readers that need more
than a minute for a thousand pages skip files above `--slow-pages`.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, median
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
ROOT = HERE.parent
OURS, REFERENCE = "citewell", "pypdfium2_bare"
SLOW = frozenset({"unstructured_fast"})
TIMEOUT_S = 900
QUIET = {"PATH": "/usr/bin:/bin", "DO_NOT_TRACK": "1", "SCARF_NO_ANALYTICS": "1"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of one reader on one file."""

    pages: int
    rate: float
    peak_mb: int
    words: Counter[str]


def run(name: str, python: str, file: Path) -> Reading:
    """Run a reader in a process of its own."""
    with TemporaryDirectory(prefix="citewell-bench-") as scratch:
        words = Path(scratch) / "words.json"
        command = [python, str(HERE / "readers" / f"{name}.py"), str(file), str(words)]
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env={**QUIET, "PYTHONPATH": str(ROOT) if name == OURS else ""},
        )
        found = json.loads(done.stdout.splitlines()[-1])
        rate = found["pages"] / found["seconds"]
        return Reading(
            found["pages"], rate, found["peak_mb"], Counter(json.loads(words.read_text()))
        )


def recall(reading: Reading, reference: Reading) -> float:
    """Return the share of the reference's words that were found."""
    return (reading.words & reference.words).total() / max(1, reference.words.total())


def rounds(file: Path, pythons: dict[str, str], count: int) -> Iterator[dict[str, Reading]]:
    """Yield each round's readings of a file: every reader once, one after the other."""
    for _ in range(count):
        yield {name: run(name, python, file) for name, python in pythons.items()}


def compare(file: Path, pythons: dict[str, str], count: int) -> dict[str, float]:
    """Print a file's figures; return how many times as fast as each peer ours is, by median."""
    readings = list(rounds(file, pythons, count))
    ratios = {}
    for name in pythons:
        own = [one[name] for one in readings]
        ratios[name] = median(one[OURS].rate / one[name].rate for one in readings)
        rates = [one.rate for one in own]
        print(
            f"{file.name:24} {name:18} {own[0].pages:5} pages {median(rates):8.1f} a CPU-s "
            f"({min(rates):.1f} to {max(rates):.1f})  {max(one.peak_mb for one in own):5} MB  "
            f"recall {recall(own[0], readings[0][REFERENCE]):.4f}  "
            f"citewell/it {ratios[name]:.2f}",
            flush=True,
        )
    return ratios


def main() -> None:
    """Compare on every PDF of the folder, smallest first; print the ratios' geometric means."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--peer", action="append", default=[], help="NAME=PYTHON")
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--slow-pages", type=int, default=700)
    options = ask.parse_args()
    pythons = {OURS: sys.executable, REFERENCE: sys.executable}
    pythons |= dict(peer.split("=", 1) for peer in options.peer)
    files = sorted(options.folder.glob("*.pdf"), key=lambda file: file.stat().st_size)
    ratios: dict[str, list[float]] = {}
    for file in files:
        pages = run(REFERENCE, sys.executable, file).pages
        slow = SLOW if pages > options.slow_pages else frozenset[str]()
        chosen = {name: python for name, python in pythons.items() if name not in slow}
        for name, ratio in compare(file, chosen, options.rounds).items():
            ratios.setdefault(name, []).append(ratio)
    for name, found in ratios.items():
        print(f"{name:18} citewell/it {geometric_mean(found):.2f} over {len(found)} files")


if __name__ == "__main__":
    main()
