"""Each verb as a person types it: what is printed, where, and the exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from citewell.cli.app import VERBS
from citewell.cli.output import seconds
from tests.support.shell import Run, ready_json
from tests.support.wire import COPY, NEIGHBOUR, Fault, Wire, busy


def test_help_lists_every_verb(run: Run) -> None:
    told = run("--help")
    assert told.code == 0
    for name, verb in VERBS.items():
        assert name in told.out
        assert verb.help in told.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_of_its_own(run: Run, verb: str) -> None:
    told = run(verb, "--help")
    assert told.code == 0
    assert f"citewell {verb}" in told.out


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out.startswith("citewell ")


def test_an_unknown_verb_is_wrong_usage(run: Run) -> None:
    assert run("serach").code == 2


def test_help_imports_nothing_that_only_a_verb_needs() -> None:
    heavy = ["httpx", "sqlalchemy", "alembic", "fastapi", "celery"]
    code = f"import sys, citewell.cli; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


class TestServer:
    def test_none_known_names_the_next_command(self, run: Run) -> None:
        told = run("search", "x")
        assert told.code == 3
        assert "`citewell up`" in told.err
        assert told.out == ""

    def test_the_stack_of_the_working_folder_is_found(self, run: Run, wire: Wire) -> None:
        ready_json(Path(".citewell"), wire.url)
        assert run("search", "x").code == 0

    def test_the_stack_of_the_home_folder_is_found(self, run: Run, wire: Wire) -> None:
        ready_json(Path.home() / ".citewell", wire.url)
        assert run("search", "x").code == 0

    def test_its_key_is_used_for_its_own_address_only(self, run: Run, wire: Wire) -> None:
        ready_json(Path(".citewell"), wire.url)
        assert run("search", "x", "--url", wire.url).code == 0
        other = wire.url.replace("127.0.0.1", "localhost")
        assert run("search", "x", "--url", other).code == 4

    def test_a_torn_ready_file_is_passed_over(self, run: Run) -> None:
        Path(".citewell").mkdir()
        Path(".citewell/ready.json").write_text("{")
        assert run("search", "x").code == 3

    @pytest.mark.usefixtures("socket_enabled")
    def test_an_absent_server_is_code_3(self, run: Run) -> None:
        told = run("ask", "x", "--url", "http://127.0.0.1:1")
        assert told.code == 3
        assert "127.0.0.1:1" in told.err

    def test_a_wrong_key_is_code_4_and_says_how_to_get_one(self, served: Run) -> None:
        told = served("search", "x", "--key", "wrong")
        assert told.code == 4
        assert "citewell keys create" in told.err

    def test_what_the_server_says_to_do_is_passed_on(self, served: Run) -> None:
        told = served("jobs", "show", "018f0000-0000-7000-8000-000000000009")
        assert told.code == 4
        assert "deleted things answer like this too" in told.err

    def test_an_operators_problem_points_to_doctor(self, served: Run, wire: Wire) -> None:
        wire.faults = busy(1, retry_after="3600")
        told = served("search", "x")
        assert told.code == 4
        assert "citewell doctor" in told.err

    def test_another_kind_of_server_is_told_apart(self, served: Run, wire: Wire) -> None:
        wire.faults = [Fault(status=200, body="<html>")]
        assert served("search", "x").code == 4


class TestSearchAndAsk:
    def test_hits_are_printed_as_they_are(self, served: Run) -> None:
        told = served("search", "battery")
        assert "0.91  manual.pdf, pages 3-4  3 Batteries > 3.1 Battery life" in told.out
        assert "[on one set]" in told.out

    def test_options_reach_the_server(self, served: Run, wire: Wire) -> None:
        served("search", "x", "-c", "papers", "-n", "3", "--mode", "sparse", "--rerank")
        sent = wire.last("/v1/search")
        assert (sent["collection"], sent["limit"]) == ("papers", 3)
        assert (sent["mode"], sent["rerank"]) == ("sparse", True)

    def test_wishes_beside_order_reach_the_server_and_are_shown(
        self, served: Run, wire: Wire
    ) -> None:
        wire.hit |= {
            "context": {
                "before": [NEIGHBOUR | {"text": "What stands before. "}],
                "after": [NEIGHBOUR | {"text": " What stands after."}],
            },
            "duplicates": [COPY | {"filename": f"{number}.pdf"} for number in range(7)],
        }
        told = served("search", "x", "--neighbours", "1", "--distinct", "--max-per-document", "2")
        sent = wire.last("/v1/search")
        assert (sent["neighbours"], sent["distinct"], sent["max_per_document"]) == (1, True, 2)
        assert "What stands before." in told.out
        assert "What stands after." in told.out
        assert "The same: 0.pdf, page 1, 1.pdf, page 1" in told.out
        assert "and 2 more" in told.out

    def test_nothing_found_is_said_aside(self, served: Run) -> None:
        told = served("search", "nothing")
        assert (told.code, told.out) == (0, "")
        assert "Nothing found" in told.err

    def test_an_answer_comes_with_its_sources(self, served: Run) -> None:
        told = served("ask", "How long?")
        assert "214 days [1]." in told.out
        assert "[Source: manual.pdf, page 3]" in told.out
        assert "confidence 0.83" in told.err

    def test_an_abstention_is_an_answer(self, served: Run, wire: Wire) -> None:
        wire.answer |= {"abstained": True, "sources": [], "answer": "Not in these documents."}
        wire.answer["degraded"] = ["embedder", "new"]
        told = served("ask", "How long?")
        assert told.code == 0
        assert "Not in these documents." in told.out
        assert "words alone were looked for" in told.err
        assert "(embedder); new." in told.err

    @pytest.mark.parametrize("verb", ["search", "ask"])
    def test_json_is_all_that_is_printed(self, served: Run, verb: str) -> None:
        told = served(verb, "x", "--json")
        assert json.loads(told.out)
        assert told.err == ""


class TestJobs:
    @pytest.fixture
    def batch(self, served: Run) -> str:
        for name in ("a.txt", "bad.txt", "odd.txt"):
            Path(name).write_text(name)
        told = served("ingest", "a.txt", "bad.txt", "odd.txt", "--json")
        return str(json.loads(told.out)["batches"][0])

    def test_a_batch_is_counted_and_listed(self, served: Run, batch: str) -> None:
        told = served("jobs", "list", "--batch", batch)
        assert f"Batch {batch}: 3 of 3 ended" in told.out
        assert "file_corrupt" in told.out
        assert "--cursor 2" in told.err

    def test_a_list_can_be_read_by_a_program(self, served: Run, batch: str) -> None:
        told = json.loads(served("jobs", "list", "--batch", batch, "--json").out)
        assert told["batch"]["total"] == 3
        assert len(told["items"]) == 2

    @pytest.mark.usefixtures("batch")
    def test_a_job_is_shown_with_what_to_do(self, served: Run) -> None:
        listed = json.loads(served("jobs", "list", "--state", "failed", "--json").out)
        job_id = listed["items"][0]["id"]
        told = served("jobs", "show", job_id)
        assert "It is cut short." in told.out
        assert json.loads(served("jobs", "show", job_id, "--json").out)["id"] == job_id
        assert served("jobs", "retry", job_id, "--ocr").out == f"{job_id} queued\n"
        assert served("jobs", "cancel", job_id).out == f"{job_id} cancelled\n"

    @pytest.mark.usefixtures("batch")
    def test_warnings_are_shown_with_their_page(self, served: Run) -> None:
        listed = json.loads(
            served("jobs", "list", "--state", "succeeded_with_warnings", "--json").out
        )
        told = served("jobs", "show", listed["items"][0]["id"])
        assert "page_without_text (page 2): Nothing on it." in told.out
        assert "0 of 1 pages with text, 1 without text" in told.out


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "-"), (0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (3900, "1 h 5 min")],
)
def test_time_is_worded(value: float | None, words: str) -> None:
    assert seconds(value) == words
