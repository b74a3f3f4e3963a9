"""`citewell quality`: the ticks, their baseline and what is past its threshold."""

import json
from pathlib import Path

from shared.errors import NotFound
from tests.support.shell import Run
from tests.support.wire import TICK, Fault, Wire

RUN = "/v1/quality/run"
CANARIES = "/v1/quality/papers/canaries"


def test_without_a_tick_it_says_how_to_get_one(served: Run) -> None:
    told = served("quality", "papers")
    assert told.code == 0
    assert "unknown" in told.out
    assert "citewell quality --run" in told.err


def test_a_degraded_tick_stands_below_the_baseline_and_is_an_exit_code(
    served: Run, wire: Wire
) -> None:
    wire.ticks = [TICK, {**TICK, "state": "ok", "reasons": [], "errors": 0}]
    told = served("quality", "papers")
    assert told.code == 1
    assert "papers" in told.out
    baseline, newest, before = told.out.splitlines()[-3:]
    assert "0.784" in baseline
    assert "0.512" in newest
    assert "cosine, recall_dense" in newest
    assert "20 (2 errors)" in newest
    assert " ok " in before


def test_canaries_are_asked_now(served: Run, wire: Wire) -> None:
    assert served("quality", "papers", "--run").code == 1
    assert wire.last(RUN) == {"collection": "papers", "rebase": False}
    assert served("quality", "papers", "--rebase").code == 1
    assert wire.last(RUN)["rebase"] is True


def test_canaries_are_given_made_and_listed(served: Run, wire: Wire, tmp_path: Path) -> None:
    given = tmp_path / "canaries.csv"
    given.write_text("question,document,page\nWhy?,manual.pdf,3\nHow?,faq.html,\n")
    assert served("quality", "papers", "--give", str(given)).code == 0
    assert wire.last(CANARIES)["canaries"] == [
        {"question": "Why?", "document": "manual.pdf", "page": 3},
        {"question": "How?", "document": "faq.html", "page": None},
    ]
    told = served("quality", "papers", "--make", "--canaries")
    assert wire.last(CANARIES) == {"canaries": []}
    assert "given" in told.out
    assert "gone" in told.out
    listed = json.loads(served("quality", "papers", "--canaries", "--json").out)
    assert listed["items"][1]["chunk_id"]


def test_json_is_one_document(served: Run, wire: Wire) -> None:
    wire.ticks = [TICK]
    told = served("quality", "papers", "--json")
    assert json.loads(told.out)["ticks"][0]["reasons"] == ["cosine", "recall_dense"]


def test_a_collection_that_is_not_there_is_told(served: Run, wire: Wire) -> None:
    wire.faults.append(Fault(error=NotFound("There is no collection `papers`.")))
    assert served("quality", "papers").code == 4
