"""`citewell doctor`: what it asks, how it words what it finds, and its exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Forbidden, NotFound, Unavailable
from tests.support.shell import Run, ready_json
from tests.support.wire import ID, WELL, Wire


class TestDoctor:
    def test_all_well_is_code_0(self, served: Run) -> None:
        told = served("doctor")
        assert told.code == 0
        assert "query: qdrant" in told.out

    def test_a_part_that_is_down_is_named(self, served: Run, wire: Wire) -> None:
        wire.down = frozenset({"redis"})
        told = served("doctor")
        assert told.code == 1
        assert "degraded" in told.out
        assert "works without it, with less" in told.out

    def test_a_wrong_key_is_a_finding(self, served: Run) -> None:
        told = served("doctor", "--key", "wrong", "--json")
        assert told.code == 1
        parts = {one["part"]: one["state"] for one in json.loads(told.out)["findings"]}
        assert parts["key"] == "unauthenticated"

    @pytest.mark.usefixtures("socket_enabled")
    def test_an_absent_server_is_code_3(self, run: Run) -> None:
        assert run("doctor", "--url", "http://127.0.0.1:1").code == 3

    def test_dead_processes_of_the_stack_are_named_with_their_log(
        self, run: Run, wire: Wire
    ) -> None:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        ready_json(Path(".citewell"), wire.url, pids={"parse": dead.pid, "embed": 1})
        told = run("doctor")
        assert told.code == 1
        assert "/logs/parse.log" in told.out
        assert "process embed" in told.out

    def test_a_stack_in_another_folder_can_be_named(self, run: Run, wire: Wire) -> None:
        ready_json(Path("elsewhere"), wire.url, pids={"embed": 1})
        assert "process embed" in run("doctor", "--data", "elsewhere").out
        assert run("doctor", "--data", "nowhere").code == 3


def differing(**difference: Any) -> dict[str, Any]:
    found = {"kind": "points_missing", "count": 2, "examples": [{"id": ID, "detail": "2 of 5"}]}
    return {**WELL, "well": False, "differences": [found | difference]}


class TestStores:
    def test_they_are_compared(self, served: Run, wire: Wire) -> None:
        wire.diagnosis = {**WELL, "differences": [{"kind": "points_missing", "count": 0}]}
        wire.diagnosis["pending"] = {"tombstones": 3, "documents": 1, "collections": 0}
        told = served("doctor", "--seconds", "5")
        assert told.code == 0
        assert "points missing in the vector store  none" in told.out
        assert "they go by themselves" in told.out
        assert wire.last("/v1/admin/doctor") == {"fix": False, "budget_s": 5}

    def test_a_difference_names_the_command_that_mends_it(self, served: Run, wire: Wire) -> None:
        wire.diagnosis = differing()
        told = served("doctor")
        assert told.code == 1
        assert f"{ID}: 2 of 5" in told.out
        assert "citewell doctor --fix" in told.out

    def test_what_is_mended_is_well(self, served: Run, wire: Wire) -> None:
        wire.diagnosis = differing(fixed=2)
        told = served("doctor", "--fix")
        assert (told.code, "2, 2 mended" in told.out) == (0, True)
        assert wire.last("/v1/admin/doctor")["fix"]

    def test_a_kind_of_a_newer_server_is_told_too(self, served: Run, wire: Wire) -> None:
        wire.diagnosis = differing(kind="rows_bent")
        assert "rows bent" in served("doctor").out

    @pytest.mark.parametrize(
        ("count", "advice"), [(0, "citewell doctor --seconds 60"), (2, "citewell doctor --fix")]
    )
    def test_a_comparison_that_was_not_finished_is_not_well(
        self, served: Run, wire: Wire, count: int, advice: str
    ) -> None:
        wire.diagnosis = differing(count=count, examples=[], complete=False, reason="No time.")
        told = served("doctor")
        assert told.code == 1
        assert "not all compared: No time." in told.out
        assert advice in told.out

    @pytest.mark.parametrize("age", [None, 300])
    def test_that_nobody_sweeps_is_told(self, served: Run, wire: Wire, age: float | None) -> None:
        wire.diagnosis["stuck"] = {"sweep_age_s": age, "expired_leases": 4, "past_deadline": 1}
        told = served("doctor")
        assert told.code == 1
        assert "nobody sweeps" in told.out
        assert ("5 min 0 s ago" if age else "never") in told.out

    def test_jobs_that_wait_for_an_operator_are_named_with_the_reason(
        self, served: Run, wire: Wire
    ) -> None:
        waiting = {"job_id": ID, "filename": "a.txt", "code": "quota_exceeded", "detail": None}
        wire.diagnosis["stuck"] |= {"waiting_for_operator": 3, "waiting": [waiting]}
        told = served("doctor")
        assert told.code == 1
        assert "a.txt: quota_exceeded" in told.out
        assert f"citewell cancel {ID}" in told.out
        assert "2 more jobs wait for an operator" in told.out

    def test_a_key_without_the_scope_compares_nothing_and_is_fine(
        self, served: Run, wire: Wire
    ) -> None:
        wire.diagnosis = {"not_for": Forbidden("This needs the scope `admin`.")}
        assert served("doctor").code == 0
        told = served("doctor", "--fix")
        assert told.code == 1
        assert "citewell keys create --scope SCOPE" in told.out

    @pytest.mark.parametrize("error", [NotFound(), Unavailable("Postgres is away.")])
    def test_a_server_that_cannot_compare_is_a_finding(
        self, served: Run, wire: Wire, error: Exception
    ) -> None:
        wire.diagnosis = {"not_for": error}
        told = served("doctor", "--json")
        assert told.code == 1
        parts = {one["part"]: one["state"] for one in json.loads(told.out)["findings"]}
        assert parts["stores"] == "not compared"

    def test_an_answer_that_is_none_is_a_finding(self, served: Run, wire: Wire) -> None:
        wire.diagnosis = {"well": "perhaps"}
        told = served("doctor")
        assert told.code == 1
        assert "not in Citewell's form" in told.out
