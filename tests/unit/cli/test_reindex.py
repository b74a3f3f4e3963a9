"""`citewell reindex`: the cost is told, agreed to, the work followed, and what comes next named."""

import json
import time

import pytest

from citewell.cli import reindex
from shared.errors import Conflict
from tests.support.shell import Run
from tests.support.wire import Fault, Wire

REINDEX = "/v1/collections/papers/reindex"
LARGE = "openai/text-embedding-3-large"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex, "LOOK_EVERY_S", 0.0)


def asked(wire: Wire, path: str = REINDEX) -> list[dict[str, object]]:
    return [body for _, seen, body in wire.requests if seen == path]


class TestBeginning:
    def test_the_cost_is_told_and_nobody_to_ask_means_no(self, served: Run, wire: Wire) -> None:
        told = served("reindex", "papers", "--space", LARGE)
        assert told.code == 2
        assert "$11.70" in told.out
        assert "at most 90000000" in told.out
        assert f"Embed about 400 chunks of papers in {LARGE}?" in told.err
        assert asked(wire) == [{"space": LARGE, "dry_run": True}]

    def test_a_dry_run_only_tells(self, served: Run, wire: Wire) -> None:
        assert "3 min 20 s" in served("reindex", "papers", "--dry-run").out
        told = served("reindex", "papers", "--chunk-tokens", "300", "--dry-run", "--json")
        assert json.loads(told.out)["cost"]["chunks"] == 400
        assert asked(wire) == [{"dry_run": True}, {"chunk_tokens": 300, "dry_run": True}]

    def test_what_is_agreed_to_is_begun(self, served: Run, wire: Wire) -> None:
        told = served("reindex", "papers", "--space", LARGE, "--yes")
        assert told.code == 0
        assert "papers: filling, 20 of 20 documents cut, 100 of 400 chunks embedded" in told.out
        assert "about 30 s left, at most $1.17 so far" in told.out
        assert "waiting for the operator: No key is set." in told.out
        assert "citewell reindex papers --wait" in told.err
        assert wire.last(REINDEX) == {"space": LARGE, "dry_run": False}

    def test_it_is_followed_until_it_is_filled(self, served: Run) -> None:
        told = served("reindex", "papers", "begin", "--space", LARGE, "--yes", "--wait")
        assert told.code == 0
        assert "200 of 400" in told.err
        assert "papers: ready" in told.out
        assert "1 could not be brought over" in told.out
        assert "[It] could not be cut." in told.out
        assert "reindex papers compare" in told.err

    def test_stopping_to_watch_stops_nothing(
        self, served: Run, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wire.endless = True

        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", interrupt)
        told = served("reindex", "papers", "--wait")
        assert told.code == 130
        assert "the server goes on" in told.err


class TestDeciding:
    def test_without_a_wish_it_is_shown(self, served: Run, wire: Wire) -> None:
        told = served("reindex", "papers", "--json")
        assert json.loads(told.out)["state"] == "filling"
        assert asked(wire) == []

    def test_switch_and_rollback(self, served: Run, wire: Wire) -> None:
        told = served("reindex", "papers", "switch")
        assert f"{LARGE} (sections-1) answers" in told.out
        assert "reindex papers rollback" in told.err
        served("reindex", "papers", "switch", "--accept-missing")
        assert asked(wire, f"{REINDEX}/switch") == [
            {"accept_missing": False},
            {"accept_missing": True},
        ]
        assert (
            "bge-small-en-v1.5 (sections-1) answers" in served("reindex", "papers", "rollback").out
        )

    def test_a_removal_is_asked_for_first(self, served: Run, wire: Wire) -> None:
        told = served("reindex", "papers", "finish")
        assert told.code == 2
        assert f"Remove the index of papers in {LARGE} (sections-1) for good?" in told.err
        assert asked(wire, f"{REINDEX}/finish") == []
        assert "removing" in served("reindex", "papers", "finish", "--yes").out

    def test_a_refusal_is_told(self, served: Run, wire: Wire) -> None:
        wire.faults.append(Fault(error=Conflict("The new index of `papers` is not filled.")))
        told = served("reindex", "papers", "switch")
        assert (told.code, "is not filled" in told.err) == (4, True)


class TestComparing:
    def test_both_are_told_side_by_side(self, served: Run, wire: Wire) -> None:
        told = served("reindex", "papers", "compare", "--question", "How long?")
        assert "90 %" in told.out
        assert "62 % of 1 questions" in told.out
        assert wire.last("/v1/search/compare") == {
            "collection": "papers",
            "questions": ["How long?"],
        }

    def test_json_is_one_document(self, served: Run) -> None:
        told = served("reindex", "papers", "compare", "--json")
        assert json.loads(told.out)["overlap"] == 0.625
