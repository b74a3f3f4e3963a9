"""Everything a question needs is killed and frozen, one at a time, while questions come."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from tests.faults.kit import truth
from tests.faults.kit.asking import Asked, Told, asking
from tests.faults.kit.corpus import small_texts
from tests.faults.kit.ground import Ground, ground
from tests.faults.kit.load import client_of, upload
from tests.faults.kit.processes import send_family
from tests.faults.kit.provider import ROOT
from tests.faults.kit.settings import DrillSettings
from tests.support.tables import table

# As a deployment has them: what waits longer in other tests would hide how late an answer is.
IMPATIENT = {
    "CITEWELL_DATABASE_POOL_TIMEOUT_S": "1.5",
    "CITEWELL_QUERY_EMBED_TIMEOUT_S": "2",
    "CITEWELL_QUERY_STORE_TIMEOUT_S": "1.5",
}
DOCUMENTS = 20
TOLD_WITHIN_S = 3.0
# From the moment the part itself is there again.
WHOLE_WITHIN_S = 10.0
BACK_WITHIN_S = 60.0
LIVE_WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A part that is gone for a while, and what answers may be like meanwhile."""

    name: str
    meanwhile: Callable[[Ground, float, ExitStack], None]
    refused: str = ""
    degraded: tuple[str, ...] = ()

    def allows(self, one: Told) -> bool:
        """Tell whether an answer is one that may be given while the part is gone."""
        if one.status == 503:
            return one.code == self.refused and int(one.retry_after or 0) >= 1
        return one.status == 200 and one.degraded in ((), self.degraded)


def _frozen(part: str, field: Ground, seconds: float, _: ExitStack) -> None:
    pid = field.stack.ready["pids"][part]
    send_family(pid, SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        send_family(pid, SIGCONT)


def _killed(part: str, field: Ground, _: float, __: ExitStack) -> None:
    before = field.stack.ready["pids"][part]
    send_family(before, SIGKILL)
    end = time.monotonic() + BACK_WITHIN_S
    while field.stack.ready["pids"].get(part) in (None, before):
        assert time.monotonic() < end, f"{part} did not come back"
        time.sleep(0.02)


def _provider_frozen(field: Ground, seconds: float, _: ExitStack) -> None:
    field.provider.process.send_signal(SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        field.provider.process.send_signal(SIGCONT)


def _provider_killed(field: Ground, seconds: float, left: ExitStack) -> None:
    """Kill it and start another in its place; the last one, for the test ends with that."""
    field.provider.process.kill()
    field.provider.process.wait()
    time.sleep(seconds)
    left.enter_context(_started(field.provider.process.args))
    end = time.monotonic() + BACK_WITHIN_S
    while not field.provider.answers():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def _started(command: object) -> Iterator[None]:
    assert isinstance(command, list)
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


STORE, TRUTH = "vector_store_unavailable", "database_unavailable"
EMBEDDER = ("embedder",)
OUTAGES = (
    Outage("Qdrant frozen", partial(_frozen, "qdrant"), refused=STORE),
    Outage("Qdrant killed", partial(_killed, "qdrant"), refused=STORE),
    Outage("Postgres frozen", partial(_frozen, "postgres"), refused=TRUTH),
    Outage("Postgres killed", partial(_killed, "postgres"), refused=TRUTH),
    Outage("Valkey frozen", partial(_frozen, "valkey")),
    Outage("Valkey killed", partial(_killed, "valkey")),
    Outage("embedder frozen", _provider_frozen, degraded=EMBEDDER),
    Outage("embedder killed", _provider_killed, degraded=EMBEDDER),
)


def strike_while_asking(folder: Path, *, rounds: int, gone_s: float) -> None:
    """Let each part be gone for some seconds, and hold every answer against what it may be."""
    with ExitStack() as left, ground(folder / "stack", IMPATIENT) as field:
        words = load(field, folder)
        with asking(field.stack, words) as asked:
            asked.wait_whole(time.monotonic(), within_s=BACK_WITHIN_S)
            # The provider that is killed does not come back as the same process: it goes last.
            outages = [*OUTAGES[:-1] * rounds, OUTAGES[-1]]
            rows = [strike(field, asked, outage, gone_s, left) for outage in outages]
        print(table("outage", "answers", "most s", "whole again s", rows))
        assert {row[0] for row in rows} == {outage.name for outage in OUTAGES}


def load(field: Ground, folder: Path) -> Sequence[str]:
    """Ingest some small documents; return a word of each."""
    with client_of(field.stack) as client:
        upload(client, small_texts(folder / "files", DOCUMENTS))
        truth.wait_until_ended(field.stack, within_s=LIVE_WITHIN_S)
    return [f"small{number}word" for number in range(DOCUMENTS)]


def strike(
    field: Ground, asked: Asked, outage: Outage, gone_s: float, left: ExitStack
) -> tuple[str, ...]:
    """Do it, wait until answers are whole again, and judge all that were given; return a row."""
    began = time.monotonic()
    outage.meanwhile(field, gone_s, left)
    again_s = asked.wait_whole(time.monotonic(), within_s=WHOLE_WITHIN_S)
    answers = asked.since(began)
    wrong = [one for one in answers if not outage.allows(one)]
    assert not wrong, (outage.name, wrong[:5])
    slowest = max(answers, key=lambda one: one.seconds)
    assert slowest.seconds <= TOLD_WITHIN_S, (outage.name, slowest)
    return outage.name, _kinds(answers), f"{slowest.seconds:.2f}", f"{again_s:.2f}"


def _kinds(answers: Sequence[Told]) -> str:
    kinds = Counter("degraded" if one.degraded else str(one.status) for one in answers)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def test_questions_are_answered_degraded_or_refused_in_time_while_each_part_is_gone_once(
    tmp_path: Path,
) -> None:
    strike_while_asking(tmp_path, rounds=1, gone_s=2.5)


@pytest.mark.drill
def test_questions_go_on_through_many_outages_of_every_part(
    drill: DrillSettings, tmp_path: Path
) -> None:
    strike_while_asking(tmp_path, rounds=drill.rounds * 2, gone_s=8)
