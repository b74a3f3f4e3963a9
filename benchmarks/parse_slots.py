"""What a second parser process gains, beside what a second loop that only counts gains.

    python benchmarks/parse_slots.py FILE [--rounds 5]

Each round runs one loop, two loops, one reader and two readers, one after the other; a gain is two
processes' work a second over one's. Readers that share nothing gain what the loops gain.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
ROOT = HERE.parent
LOOP = "x = 0\nfor at in range(60_000_000):\n    x += at"


def seconds(*commands: list[str]) -> float:
    """Return how long these processes take side by side."""
    start = time.monotonic()
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, env={"PYTHONPATH": str(ROOT)})
        for command in commands
    ]
    if any(process.wait() for process in running):
        raise RuntimeError("A process failed.")
    return time.monotonic() - start


def main() -> None:
    """Print the gain of each round, then the medians and their ratio."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("file", type=Path)
    ask.add_argument("--rounds", type=int, default=5)
    options = ask.parse_args()
    gains: dict[str, list[float]] = {"loop": [], "reader": []}
    with TemporaryDirectory(prefix="citewell-bench-") as scratch:
        reader = [sys.executable, str(HERE / "readers" / "citewell.py"), str(options.file)]
        work = {
            "loop": [[sys.executable, "-c", LOOP]] * 2,
            "reader": [[*reader, f"{scratch}/{at}"] for at in range(2)],
        }
        for _ in range(options.rounds):
            for name, found in gains.items():
                one = seconds(work[name][0])
                found.append(2 * one / seconds(*work[name]))
                print(f"{name:7} {found[-1]:.2f}", flush=True)
    loop, ours = median(gains["loop"]), median(gains["reader"])
    print(f"loops gain {loop:.2f}, readers {ours:.2f}: {ours / loop:.0%} of it")


if __name__ == "__main__":
    main()
