"""Where drills take place: a whole stack that embeds at a counting provider."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.kit.processes import Process, family, running
from tests.faults.kit.provider import CountingProvider, start_counting_provider
from tests.support.stack import Stack, start_stack

BATCH_INPUTS = 32
SLOTS = 4
SETTINGS = {
    "CITEWELL_EMBEDDING_BATCH_INPUTS": str(BATCH_INPUTS),
    "CITEWELL_EMBEDDING_SLOTS": str(SLOTS),
}
# So small that files of a few pages have several parts.
MANY_PARTS = {"CITEWELL_INGEST_PART_PAGES": "2"}
# What a short drill cannot wait for in full.
SHORT = {
    "CITEWELL_INGEST_LEASE_S": "6",
    "CITEWELL_INGEST_SWEEP_S": "2",
    "CITEWELL_QDRANT_TIMEOUT_S": "4",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """A running stack, its provider, and the folder where it keeps what it reads from."""

    stack: Stack
    provider: CountingProvider
    scratch: Path

    def scratch_files(self) -> list[Path]:
        """Return what lies in the folder for temporary files."""
        return [path for path in self.scratch.rglob("*") if path.is_file()]


@contextmanager
def ground(
    folder: Path, settings: Mapping[str, str] | None = None, *, delay_s: float = 0.0
) -> Iterator[Ground]:
    """Start provider and stack; in the end see that neither a process nor a file is left."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    with start_counting_provider(delay_s=delay_s) as provider:
        wanted = SETTINGS | {"TMPDIR": str(scratch)} | provider.settings() | dict(settings or {})
        last: list[Process] = []
        with start_stack(folder, wanted) as stack:
            yield Ground(stack, provider, scratch)
            last += family(stack.process.pid)
        check_gone(last)
    # An empty folder of the multiprocessing module outlives a worker that was killed.
    assert [path for path in scratch.rglob("*") if not path.name.startswith("pymp-")] == []


def check_gone(processes: Iterable[Process]) -> None:
    """See that none of these runs any more."""
    assert set(processes) & running().keys() == set()
