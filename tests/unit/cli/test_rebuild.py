"""`citewell rebuild`: the cost is told, agreed to, and the work followed."""

import json
import time

import pytest

from citewell.cli import rebuild
from shared.errors import Forbidden
from tests.support.shell import Run
from tests.support.wire import Fault, Wire

REBUILD = "/v1/admin/rebuild"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "LOOK_EVERY_S", 0.0)


def asked(wire: Wire) -> list[bool]:
    return [body["dry_run"] for _, path, body in wire.requests if path == REBUILD]


class TestAgreeing:
    def test_the_cost_is_told_and_nobody_to_ask_means_no(self, served: Run, wire: Wire) -> None:
        told = served("rebuild")
        assert told.code == 2
        assert "$1.80" in told.out
        assert "3 min 20 s" in told.out
        assert "Rebuild 400 chunks, 300 of them through the embedder?" in told.err
        assert "--yes" in told.err
        assert asked(wire) == [True]

    def test_a_dry_run_only_tells(self, served: Run, wire: Wire) -> None:
        wire.cost |= {"usd": None, "seconds": None}
        told = served("rebuild", "--dry-run")
        assert told.code == 0
        assert "unknown" in told.out
        assert asked(wire) == [True]

    def test_what_is_agreed_to_is_begun(self, served: Run, wire: Wire) -> None:
        told = served("rebuild", "--yes", "-c", "papers")
        assert told.code == 0
        assert "papers: embedding, 100 of 400 chunks" in told.out
        assert "citewell rebuild --wait" in told.err
        assert wire.last(REBUILD) == {
            "collection": "papers",
            "dry_run": False,
            "from_empty": False,
        }

    def test_dropping_first_is_said(self, served: Run, wire: Wire) -> None:
        told = served("rebuild", "--from-empty")
        assert "nothing is found" in told.err
        assert wire.last(REBUILD)["from_empty"]


class TestFollowing:
    def test_it_is_followed_to_its_end(self, served: Run) -> None:
        told = served("rebuild", "--yes", "--wait")
        assert told.code == 0
        assert "200 of 400" in told.err
        assert "papers: done, 400 of 400 chunks" in told.out
        assert "Next" not in told.err

    def test_json_is_one_document(self, served: Run) -> None:
        told = served("rebuild", "--yes", "--wait", "--json")
        body = json.loads(told.out)
        assert body["costs"][0]["tokens"] == 90_000_000
        assert body["rebuilds"][0]["stage"] == "done"

    def test_stopping_to_watch_stops_nothing(
        self, served: Run, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wire.endless = True

        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", interrupt)
        told = served("rebuild", "--yes", "--wait")
        assert told.code == 130
        assert "citewell rebuild --wait" in told.err

    def test_a_refusal_is_told(self, served: Run, wire: Wire) -> None:
        wire.faults.append(Fault(error=Forbidden()))
        told = served("rebuild", "--yes")
        assert told.code == 4
