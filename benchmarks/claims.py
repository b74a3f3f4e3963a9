"""How many planted false claims are caught, and how many true ones are dropped.

    python benchmarks/claims.py FOLDER [--questions 1200] [--model] [--half chosen|held-out]

FOLDER is SQuAD as squad.py reads it. Statements are made by rules (planted.py), each marked with a
passage among five; articles are parted into a half that thresholds are chosen on and one that is
only reported. `--model` lets the local model speak where words do not tell; `--show KIND` prints
what came out wrong.
"""

import argparse
import asyncio
import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from exact import local_embedder
from planted import Garden, Planted, planted
from squad import read_squad

from services.query_api.generation.verification.verdicts import Verdict
from services.query_api.generation.verification.verifier import Verifier
from shared.embeddings.base import Embedder

Checked = tuple[Planted, Verdict]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    z = 1.96
    share = hits / count
    middle = share + z * z / (2 * count)
    around = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (middle - around) / scale, (middle + around) / scale


async def checked(
    garden: Garden, statements: Sequence[Planted], embedder: Embedder | None
) -> tuple[list[Checked], list[float], list[float]]:
    """Return each verdict, and the CPU milliseconds of readings and of checks."""
    found: list[Checked] = []
    read_ms: list[float] = []
    check_ms: list[float] = []
    for one in statements:
        passages = garden.shelf.passages(one.paragraphs)
        marked = [passages[one.paragraphs.index(one.marked)]]
        begun = time.thread_time()
        verifier = Verifier(passages, embedder)
        made = time.thread_time()
        verdict = await verifier.check(one.text, marked)
        check_ms.append((time.thread_time() - made) * 1000)
        read_ms.append((made - begun) * 1000)
        found.append((one, verdict))
    return found, read_ms, check_ms


def print_shares(found: Sequence[Checked]) -> None:
    """Print a line for each kind, then one for each kind's whole."""
    kinds: dict[str, list[Verdict]] = defaultdict(list)
    for one, verdict in found:
        kinds[one.kind].append(verdict)
        kinds[one.kind.partition(":")[0] + ", all"].append(verdict)
    print("| kind | statements | caught or dropped | 95 % interval | by reason |")
    print("|---|---|---|---|---|")
    for kind, verdicts in sorted(kinds.items()):
        out = [verdict for verdict in verdicts if not verdict.supported]
        low, high = wilson(len(out), len(verdicts))
        why = Counter(str(verdict.why) for verdict in out)
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(why.items()))
        share = len(out) / len(verdicts)
        print(f"| {kind} | {len(verdicts)} | {share:.3f} | {low:.3f}\u2013{high:.3f} | {reasons} |")


async def main() -> None:
    """Plant, check and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--questions", type=int, default=1200)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--model", action="store_true")
    ask.add_argument("--half", choices=("chosen", "held-out"))
    ask.add_argument("--show")
    given = ask.parse_args()
    garden, statements = planted(read_squad(given.folder), given.questions, given.seed)
    if given.half:
        statements = [one for one in statements if one.held_out == (given.half == "held-out")]
    embedder = local_embedder() if given.model else None
    found, read_ms, check_ms = await checked(garden, statements, embedder)
    print_shares(found)
    for name, times in (("reading five passages", read_ms), ("a check", check_ms)):
        ranked = sorted(times)
        print(
            f"{name}: median {ranked[len(ranked) // 2]:.2f} ms CPU,"
            f" p95 {ranked[int(len(ranked) * 0.95)]:.2f}"
        )
    for one, verdict in found if given.show else ():
        if one.kind.startswith(given.show) and verdict.supported != one.kind.startswith("true"):
            print(f"\n{one.kind} {verdict.why} {verdict.support:.2f}: {one.text}")
            print("   ", garden.shelf.passages([one.marked])[0].text)


if __name__ == "__main__":
    asyncio.run(main())
