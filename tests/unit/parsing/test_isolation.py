"""What is said of isolation, and that too little of it is refused."""

import pytest

from services.ingest_worker.parsing.sandbox import landlock, required, seccomp
from services.ingest_worker.parsing.sandbox.confine import Isolation, Level
from services.ingest_worker.parsing.sandbox.seccomp import Permissions
from shared.errors import ConfigurationInvalid, ParserUnavailable


def offering(monkeypatch: pytest.MonkeyPatch, found: Isolation) -> None:
    monkeypatch.setattr(required, "isolation_here", lambda: found)


async def test_full_isolation_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, Isolation(3, True))
    assert await required.tell_isolation() == "full (Landlock 3, seccomp)"
    required.require_isolation("full")


@pytest.mark.parametrize(
    ("found", "enough", "too_much", "told"),
    [
        (Isolation(0, True), "seccomp", "full", "can read"),
        (Isolation(5, False), "none", "seccomp", "can do"),
    ],
)
async def test_less_is_down_and_refused_where_more_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    found: Isolation,
    enough: Level,
    too_much: Level,
    told: str,
) -> None:
    offering(monkeypatch, found)
    with pytest.raises(ParserUnavailable, match=told):
        await required.tell_isolation()
    required.require_isolation(enough)
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_INGEST_PARSER_ISOLATION"):
        required.require_isolation(too_much)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("files", [True, False])
def test_there_is_a_filter_for_each_machine(
    monkeypatch: pytest.MonkeyPatch, machine: str, *, files: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    steps = list(seccomp.program(Permissions(files=files, programs=False, signals=True)))
    assert {len(step) for step in steps} == {8}
    # The kernel takes no more (linux/bpf_common.h, BPF_MAXINSNS).
    assert 200 < len(steps) < 4096


def test_an_unknown_machine_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert not seccomp.available()
    assert landlock.version() == 0
