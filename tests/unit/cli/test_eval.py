"""`citewell eval`: a set in, a table, files and an exit code out."""

import asyncio
import csv
import json
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from citewell.evaluation.running import Evaluation
from shared.errors import Forbidden
from tests.support.shell import Run
from tests.support.wire import Fault, Wire

# The server's one hit is of manual.pdf, pages 3 to 4; `nothing` finds none.
QUESTIONS = "question,document,page\nHow long?,manual.pdf,4\nnothing,manual.pdf,4\n"


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "questions.csv"
    path.write_text(QUESTIONS)
    return str(path)


def asked(wire: Wire) -> list[tuple[str, bool]]:
    searches = [body for _, path, body in wire.requests if path == "/v1/search"]
    return sorted((body["mode"], body["rerank"]) for body in searches)


def test_modes_stand_side_by_side_with_intervals_and_differences(
    served: Run, wire: Wire, questions: str
) -> None:
    told = served("eval", questions)
    assert told.code == 0, told.err
    assert "hybrid" in told.out
    assert "0.5000 ±0.500" in told.out
    assert "against hybrid" in told.out
    assert "page@1" in told.out
    assert asked(wire) == [(mode, False) for mode in ("dense", "hybrid", "sparse") for _ in "12"]


def test_reranking_is_a_way_of_its_own(served: Run, wire: Wire, questions: str) -> None:
    told = served("eval", questions, "--mode", "sparse", "--rerank", "-c", "papers")
    assert "sparse+rerank" in told.out
    assert asked(wire) == [("sparse", False)] * 2 + [("sparse", True)] * 2
    assert wire.last("/v1/search")["collection"] == "papers"


def test_figures_go_into_files(served: Run, questions: str, tmp_path: Path) -> None:
    table, plot = tmp_path / "out.csv", tmp_path / "out.svg"
    told = served("eval", questions, "--json", "--csv", str(table), "--plot", str(plot))
    report = json.loads(told.out)
    assert (report["questions"], report["measured"]) == (2, 2)
    way = report["ways"][1]
    assert way["name"] == "dense"
    assert way["measures"]["page@1"]["mean"] == 0.5
    assert way["difference"]["ndcg@10"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["way"] for row in rows} == {"hybrid", "dense", "sparse"}
    assert {"ndcg@10", "mrr@10", "p95_ms"} <= {row["measure"] for row in rows}
    drawing = ET.parse(plot).getroot()  # noqa: S314 - written by the code under test
    circles = [one for one in drawing.iter() if one.tag.endswith("circle")]
    assert len(circles) == 3 * len(way["measures"])


def test_a_corpus_is_loaded_first(served: Run, wire: Wire, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": "T", "text": "Body"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "Why?"}\n')
    (folder / "qrels.tsv").write_text("1\td1\t1\n")
    told = served("eval", str(folder), "--load", "--mode", "hybrid")
    assert told.code == 0, told.err
    assert wire.contents == {"d1.txt": b"T\n\nBody"}
    assert wire.last("/v1/documents")["collection"] == "eval-tiny"


def test_a_document_that_fails_ends_it(served: Run, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "bad1", "text": "x"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "Why?"}\n')
    (tmp_path / "qrels.tsv").write_text("1\td1\t1\n")
    told = served("eval", str(tmp_path), "--load")
    assert told.code == 2
    assert "1 of 1 documents did not load" in " ".join(told.err.split())
    assert not asked(wire)


def test_what_was_measured_is_told_when_the_server_refuses(
    served: Run, wire: Wire, questions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Evaluation._ask  # noqa: SLF001

    async def then_refuse(self: Evaluation, number: int, question: object) -> object:
        if number == 1:
            wire.faults.append(Fault(error=Forbidden()))
        return await progress(self, number, question)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluation, "_ask", then_refuse)
    told = served("eval", questions, "--concurrency", "1")
    assert told.code == 4
    assert "1 of 2 questions" in told.err
    assert "1.0000 ±0.000" in told.out


def test_what_was_measured_is_told_when_it_is_interrupted(
    served: Run, questions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Evaluation._ask  # noqa: SLF001

    async def then_stop(self: Evaluation, number: int, question: object) -> object:
        if number == 1:
            # As Ctrl-C does.
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        return await ask(self, number, question)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluation, "_ask", then_stop)
    told = served("eval", questions, "--concurrency", "1")
    assert told.code == 130
    assert "1 of 2 questions" in told.err
    assert "1.0000 ±0.000" in told.out


def test_nothing_is_told_of_nothing(served: Run, wire: Wire, questions: str) -> None:
    wire.faults.append(Fault(error=Forbidden()))
    told = served("eval", questions, "--concurrency", "1", "--plot", "none.svg")
    assert told.code == 4
    assert "0 of 2 questions" in told.err


def test_what_cannot_work_is_said_before_anything_is_asked(
    served: Run, wire: Wire, questions: str
) -> None:
    assert "no corpus.jsonl" in served("eval", questions, "--load").err
    assert "There is no folder" in served("eval", questions, "--csv", "/nowhere/x.csv").err
    assert served("eval", "missing").code == 2
    assert not asked(wire)
