"""What is done to a running stack: each fault strikes, and says which parts must come back."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

import redis

from tests.faults.kit.processes import children, command_of, parsers_below, send, send_family
from tests.support.stack import Stack

# Long enough for uploads to commit while their messages cannot leave.
FROZEN_S = 1.5

Strike = Callable[[Stack, random.Random], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        parts: Those that must have a new process before it counts as over.
        stage: The work that stands still meanwhile: a field of `Done`.
        paid: Whether a batch may be paid for again.
    """

    name: str
    strike: Strike
    parts: tuple[str, ...] = ()
    stage: str = "ended"
    paid: bool = False


def _parse_child(stack: Stack, chance: random.Random) -> None:
    _kill_one(parsers_below(stack.ready["pids"]["parse"]), chance)


def _slot_of(part: str) -> Strike:
    def strike(stack: Stack, chance: random.Random) -> None:
        forked = children(stack.ready["pids"][part])
        _kill_one([pid for pid in forked if "celery" in " ".join(command_of(pid))], chance)

    return strike


def _whole(part: str) -> Strike:
    def strike(stack: Stack, _chance: random.Random) -> None:
        send_family(stack.ready["pids"][part], SIGKILL)

    return strike


def _before_publishing(stack: Stack, _chance: random.Random) -> None:
    """Uploads commit while no message can leave; then whoever would send them is killed."""
    pids = stack.ready["pids"]
    send(pids["valkey"], SIGSTOP)
    try:
        time.sleep(FROZEN_S)
        send_family(pids["gateway"], SIGKILL)
    finally:
        send(pids["valkey"], SIGCONT)


def _flush(stack: Stack, _chance: random.Random) -> None:
    with redis.Redis.from_url(stack.environment("beat")["CITEWELL_REDIS_URL"]) as valkey:
        valkey.flushall()


def _roll(stack: Stack, _chance: random.Random) -> None:
    pids = stack.ready["pids"]
    send(pids["parse"], SIGTERM)
    send(pids["embed"], SIGTERM)


FAULTS = (
    Fault("parse child", _parse_child, stage="parsed"),
    Fault("parse slot", _slot_of("parse"), stage="parsed"),
    Fault("parse worker", _whole("parse"), ("parse",), "parsed"),
    Fault("embed slot", _slot_of("embed"), stage="embedded", paid=True),
    Fault("embed worker", _whole("embed"), ("embed",), "embedded", paid=True),
    Fault("ingest API", _whole("gateway"), ("gateway",)),
    Fault("ingest API before publishing", _before_publishing, ("gateway",)),
    Fault("Valkey", _whole("valkey"), ("valkey",)),
    Fault("FLUSHALL", _flush),
    Fault("Postgres", _whole("postgres"), ("postgres",), paid=True),
    Fault("Qdrant", _whole("qdrant"), ("qdrant",), "embedded", paid=True),
    Fault("SIGTERM roll", _roll, ("parse", "embed"), paid=True),
)


def schedule(seed: int, rounds: int) -> list[Fault]:
    """Return every fault `rounds` times, in an order of the seed's choosing."""
    order = list(FAULTS) * rounds
    random.Random(seed).shuffle(order)
    return order


def _kill_one(pids: list[int], chance: random.Random) -> None:
    if pids:
        send(chance.choice(sorted(pids)), SIGKILL)
