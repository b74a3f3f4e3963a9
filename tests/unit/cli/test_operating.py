"""The operator's verbs: batches, documents, collections, usage, retry, cancel."""

import io
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from typing_extensions import override

from citewell.cli.wording import size
from shared.errors import Conflict, Unavailable
from tests.support.shell import Run
from tests.support.wire import FOREIGN_PAGE, GONE, ID, KEY, MISSING_PAGE, PNG, Fault, Wire


@pytest.fixture
def batch(served: Run) -> str:
    for name in ("a.txt", "bad.txt", "odd.txt"):
        Path(name).write_text(name)
    return str(
        json.loads(served("ingest", "a.txt", "bad.txt", "odd.txt", "--json").out)["batches"][0]
    )


def failed_job(served: Run) -> str:
    listed = json.loads(served("jobs", "list", "--state", "failed", "--json").out)
    return str(listed["items"][0]["id"])


class Terminal(io.StringIO):
    """What a person types."""

    @override
    def isatty(self) -> bool:
        return True


def types(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))


class TestBatches:
    def test_they_are_listed_with_what_ended(self, served: Run, batch: str) -> None:
        told = served("batches", "list")
        assert batch in told.out
        assert "3/3" in told.out
        assert json.loads(served("batches", "list", "--json").out)["items"][0]["id"] == batch

    def test_a_list_says_how_it_goes_on(self, served: Run, wire: Wire) -> None:
        wire.batches = {f"018f0000-0000-7000-8000-00000000000{n}": [] for n in range(3)}
        told = served("batches", "list")
        assert "--cursor 2" in told.err
        assert "--cursor" not in served("batches", "list", "--cursor", "2").err

    def test_one_is_shown_with_what_failed_and_the_next_command(
        self, served: Run, batch: str
    ) -> None:
        told = served("batches", "show", batch)
        assert told.code == 0
        assert f"Batch {batch}: 3 of 3 ended" in told.out
        assert "file_corrupt" in told.out
        assert f"citewell jobs list --batch {batch} --code file_corrupt" in told.err

    def test_waiting_tells_the_shell_that_a_job_failed(
        self, served: Run, wire: Wire, batch: str
    ) -> None:
        wire.looks[batch] = 0
        told = served("batches", "show", batch, "--wait", "--json")
        assert told.code == 1
        shown = json.loads(told.out)
        assert shown["batch"]["counts"]["failed"] == 1
        [failure] = shown["failures"]
        assert (failure["code"], failure["jobs"], failure["who"]) == ("file_corrupt", 1, "user")

    def test_waiting_for_one_that_is_fine_is_code_0(self, served: Run, wire: Wire) -> None:
        wire.batches[ID] = [{"filename": "a.txt", "job_id": ID}]
        told = served("batches", "show", ID, "--follow")
        assert (told.code, "1 succeeded" in told.out) == (0, True)

    def test_watching_tells_each_job_once_and_the_shell_that_one_failed(
        self, served: Run, wire: Wire, batch: str
    ) -> None:
        wire.looks[batch] = 0
        told = served("batches", "watch", batch)
        assert told.code == 1
        lines = told.out.splitlines()
        assert len(lines) == 3
        assert "failed: file_corrupt bad.txt" in lines
        events = [
            json.loads(line)
            for line in served("batches", "watch", batch, "--json").out.splitlines()
        ]
        assert events[-1]["kind"] == "end"

    def test_watching_one_that_is_fine_is_code_0(self, served: Run, wire: Wire) -> None:
        wire.batches[ID] = [{"filename": "[a].txt", "job_id": ID}]
        told = served("batches", "watch", ID)
        assert (told.code, told.out) == (0, "succeeded [a].txt\n")

    def test_one_that_runs_names_the_command_that_waits(self, served: Run, wire: Wire) -> None:
        wire.batches[ID], wire.endless = [{"filename": "a.txt", "job_id": ID}], True
        told = served("batches", "show", ID)
        assert f"citewell batches show {ID} --wait" in told.err
        assert ID in served("batches", "list").out

    def test_the_list_says_which_are_held_back(self, served: Run, wire: Wire) -> None:
        wire.batches[ID] = [{"filename": "a.txt", "job_id": ID}]
        wire.endless = True
        assert "paused" not in served("batches", "list").out
        wire.paused.add(ID)
        assert "paused" in served("batches", "list").out

    def test_what_an_operator_must_mend_can_then_be_retried(self, served: Run, wire: Wire) -> None:
        wire.batches[ID] = [{"filename": "late.txt", "job_id": ID}]
        wire.looks[ID] = 5
        told = served("batches", "show", ID)
        assert f"citewell retry --failed --batch {ID} --code deadline_exceeded" in told.err

    def test_a_job_that_waits_for_an_operator_says_why(self, served: Run, wire: Wire) -> None:
        wire.batches[ID] = [{"filename": "parked.txt", "job_id": ID}]
        assert "waits for operator (quota_exceeded)" in served("jobs", "list").out
        assert "Nothing is left." in served("jobs", "show", ID).out

    def test_a_failure_that_came_without_a_problem_is_counted_only(
        self, served: Run, wire: Wire
    ) -> None:
        wire.batches[ID] = [{"filename": "mute.txt", "job_id": ID}]
        wire.looks[ID] = 5
        told = json.loads(served("batches", "show", ID, "--json").out)
        assert (told["batch"]["counts"], told["failures"]) == ({"failed": 1}, [])

    @pytest.mark.usefixtures("socket_enabled")
    def test_ctrl_c_says_that_the_server_goes_on(self, wire: Wire) -> None:
        wire.batches[ID], wire.endless = [{"filename": "a.txt", "job_id": ID}], True
        command = [sys.executable, "-m", "citewell", "batches", "show", ID, "--wait"]
        process = subprocess.Popen(
            [*command, "--url", wire.url, "--key", KEY], stderr=subprocess.PIPE, text=True
        )
        while wire.looks.get(ID, 0) < 2 and process.poll() is None:
            time.sleep(0.05)
        # Again, as its user would: Python drops one that comes while it clears something up.
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "the server goes on" in said

    @pytest.mark.parametrize("verb", ["retry", "cancel"])
    def test_one_is_changed_as_a_whole(
        self, served: Run, wire: Wire, batch: str, verb: str
    ) -> None:
        assert f"Batch {batch}: 3 of 3" in served("batches", verb, batch).out
        assert json.loads(served("batches", verb, batch, "--json").out)["batch"]["id"] == batch
        assert json.loads(served(verb, "--batch", batch, "--json").out)["jobs"] == []
        sent = [path for _, path, _ in wire.requests if path.startswith("/v1/batches")]
        assert sent == [f"/v1/batches/{batch}/{verb}"] * 3

    def test_one_is_held_back_and_goes_on(self, served: Run, batch: str) -> None:
        assert served("batches", "pause", batch).out.endswith(", paused\n")
        assert json.loads(served("batches", "show", batch, "--json").out)["batch"]["paused"]
        assert "paused" not in served("batches", "resume", batch).out


@pytest.mark.usefixtures("batch")
class TestRetryAndCancel:
    @pytest.mark.parametrize("words", [("retry",), ("jobs", "retry")])
    def test_jobs_are_opened_again_by_either_verb(self, served: Run, words: tuple[str]) -> None:
        job_id = failed_job(served)
        assert served(*words, job_id).out == f"{job_id} queued\n"
        told = json.loads(served(*words, job_id, "--json").out)
        assert (told["jobs"][0]["id"], told["refused"]) == (job_id, [])

    @pytest.mark.parametrize("words", [("--failed",), ("--all",), ()])
    def test_all_that_failed_in_one_way_are_opened_again(
        self, served: Run, wire: Wire, words: tuple[str, ...]
    ) -> None:
        told = served("retry", *words, "--code", "file_corrupt", "--ocr", "-c", "papers")
        assert told.out == "1 jobs are open again.\n"
        assert wire.last("/v1/jobs/retry") == {
            "code": "file_corrupt",
            "collection": "papers",
            "options": {"ocr": True},
        }

    def test_those_that_retrying_helps_are_opened_call_after_call(
        self, served: Run, wire: Wire
    ) -> None:
        wire.retry_pages = 3
        told = json.loads(served("retry", "--retryable", "--json").out)
        assert (told["retried"], told["passed_over"], told["jobs"]) == (3, 0, [])
        assert wire.last("/v1/jobs/retry") == {"retryable": True, "cursor": "next"}

    def test_dead_letters_are_listed(self, served: Run) -> None:
        assert json.loads(served("jobs", "list", "--failed", "--json").out)["items"]
        assert not json.loads(served("jobs", "list", "--failed", "--retryable", "--json").out)[
            "items"
        ]

    def test_nothing_to_do_is_said_and_no_failure(self, served: Run) -> None:
        told = served("retry", "--failed", "--code", "parse_timeout")
        assert (told.code, told.out) == (0, "")
        assert "nothing to do" in told.err

    def test_those_of_one_batch_can_be_chosen(self, served: Run, wire: Wire, batch: str) -> None:
        assert served("retry", "--failed", "--batch", batch).out == "1 jobs are open again.\n"
        assert wire.last("/v1/jobs/retry") == {"batch": batch}

    def test_a_batch_is_begun_anew_with_other_options(
        self, served: Run, wire: Wire, batch: str
    ) -> None:
        served("retry", "--batch", batch, "--ocr")
        assert wire.last(f"/v1/batches/{batch}/retry") == {"options": {"ocr": True}}
        served("batches", "retry", batch, "--code", "file_corrupt")
        assert wire.last(f"/v1/batches/{batch}/retry") == {"code": "file_corrupt"}

    def test_one_refusal_does_not_stop_the_others(self, served: Run) -> None:
        job_id = failed_job(served)
        told = served("cancel", GONE, job_id)
        assert (told.code, told.out) == (1, f"{job_id} cancelled\n")
        assert f"{GONE}: Not found" in told.err
        assert "jobs list" in told.err

    def test_when_all_are_refused_that_is_the_exit_code(self, served: Run, wire: Wire) -> None:
        wire.faults = [Fault(error=Conflict("It has ended."))]
        told = served("retry", GONE, "--json")
        assert told.code == 4
        [refused] = json.loads(told.out)["refused"]
        assert (refused["job_id"], refused["problem"]["code"]) == (GONE, "conflict")
        assert "citewell jobs show JOB" in told.err

    def test_a_server_that_cannot_work_is_not_asked_again(self, served: Run, wire: Wire) -> None:
        wire.faults = [Fault(error=Unavailable("It is down."), retry_after="3600")]
        told = served("cancel", GONE, GONE)
        assert told.code == 4
        assert "It is down." in told.err
        assert len(wire.requests) == 1

    def test_a_wrong_key_is_told_once(self, served: Run) -> None:
        told = served("retry", GONE, GONE, "--key", "wrong")
        assert told.code == 4
        assert told.err.count("Error:") == 1

    @pytest.mark.parametrize(
        "words",
        [
            ("retry",),
            ("retry", ID, "--batch", ID),
            ("retry", ID, "--failed"),
            ("retry", ID, "--code", "file_corrupt"),
            ("cancel",),
            ("cancel", ID, "--batch", ID),
        ],
    )
    def test_what_does_not_fit_together_is_wrong_usage(
        self, served: Run, words: tuple[str, ...]
    ) -> None:
        told = served(*words)
        assert told.code == 2
        assert "--help" in told.err


class TestDocuments:
    def test_they_are_listed_as_asked_for(self, served: Run, wire: Wire) -> None:
        told = served(
            *("documents", "list", "-c", "papers", "--name", "a/b.pdf", "--state", "failed"),
            *("-n", "7"),
        )
        assert "manual.pdf" in told.out
        assert "--cursor next" in told.err
        assert wire.last("/v1/documents") == {
            "collection": "papers",
            "name": "a/b.pdf",
            "state": "failed",
            "limit": "7",
        }
        assert json.loads(served("documents", "list", "--json").out)["next_cursor"] == "next"

    def test_one_is_shown_with_its_versions_and_chunks(self, served: Run) -> None:
        assert "none yet" in served("documents", "show", ID).out
        assert "3" in served("documents", "versions", ID).out
        assert "1-1" in served("documents", "chunks", ID).out
        for verb in ("show", "versions", "chunks"):
            assert json.loads(served("documents", verb, ID, "--json").out)

    def test_an_old_version_is_restored(self, served: Run) -> None:
        told = served("documents", "restore", ID, "1")
        assert told.out == f"Version 4 is made from version 1: job {ID}.\n"
        assert f"citewell jobs show {ID}" in told.err
        assert served("documents", "restore", ID, "4").out == "Version 4 is the same already.\n"
        assert json.loads(served("documents", "restore", ID, "1", "--json").out)["batch_id"] == ID
        assert served("documents", "restore", ID, "9").code == 4
        assert served("documents", "restore", ID, "0").code == 2

    def test_an_unknown_one_names_the_next_command(self, served: Run) -> None:
        told = served("documents", "show", GONE)
        assert told.code == 4
        assert "`citewell documents list`" in told.err

    def test_its_bytes_come_under_its_own_name(self, served: Run) -> None:
        told = served("documents", "download", ID)
        assert told.out == "manual.pdf (400.0 kB)\n"
        assert Path("manual.pdf").read_bytes() == b"%PDF" * 100_000

    def test_a_file_that_is_there_is_replaced_only_when_told(self, served: Run) -> None:
        Path("mine.pdf").write_text("mine")
        told = served("documents", "download", ID, "-o", "mine.pdf")
        assert (told.code, Path("mine.pdf").read_text()) == (2, "mine")
        assert "--force" in told.err
        told = served("documents", "download", ID, "-o", "mine.pdf", "--force", "--json")
        assert json.loads(told.out)["bytes"] == Path("mine.pdf").stat().st_size == 400_000

    def test_a_broken_download_leaves_nothing(self, served: Run) -> None:
        assert served("documents", "download", ID, "--version", "9").code == 4
        assert list(Path().iterdir()) == []

    def test_a_page_comes_under_the_documents_name(self, served: Run, wire: Wire) -> None:
        told = served("documents", "page", ID, "2", "--chunk", ID, "--longest", "300")
        assert told.out == "manual-page-2.png (44 B)\n"
        assert Path("manual-page-2.png").read_bytes() == PNG + ID.encode()
        assert wire.last("/pages") == {"chunk": ID, "longest": "300"}
        assert served("documents", "page", ID, "2").code == 2
        told = served("documents", "page", ID, "2", "-o", "manual-page-2.png", "--force", "--json")
        assert json.loads(told.out)["bytes"] == 44

    @pytest.mark.parametrize(("page", "says"), [(MISSING_PAGE, "no page"), (FOREIGN_PAGE, "PNG")])
    def test_a_page_that_cannot_be_had_leaves_nothing(
        self, served: Run, page: int, says: str
    ) -> None:
        told = served("documents", "page", ID, str(page), "-o", "a.png")
        assert told.code == 4
        assert says in told.err
        assert list(Path().iterdir()) == []

    def test_nothing_is_deleted_without_a_yes(
        self, served: Run, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = served("documents", "delete", ID)
        assert told.code == 2
        assert "add --yes" in told.err
        assert served("documents", "delete", ID, "--json").code == 2
        types(monkeypatch, "n\n")
        told = served("documents", "delete", ID)
        assert told.code == 130
        assert "Nothing was done." in told.err
        assert wire.deleted == []
        types(monkeypatch, "y\n")
        assert served("documents", "delete", ID).out.strip() == "1 deleted."
        assert wire.deleted == [ID]

    def test_when_one_is_unknown_none_is_deleted(self, served: Run, wire: Wire) -> None:
        assert served("documents", "delete", ID, GONE, "--yes").code == 4
        assert wire.deleted == []
        told = served("documents", "delete", ID, "--yes", "--json")
        assert json.loads(told.out) == {"deleted": [ID]}


class TestCollections:
    def test_one_is_made_shown_and_listed(self, served: Run, wire: Wire) -> None:
        told = served(
            *("collections", "create", "papers", "--description", "Ours", "--field", "year=number"),
            *("--space", "local/small"),
        )
        assert "year=number" in told.out
        assert wire.last("/v1/collections/papers") == {
            "space": "local/small",
            "description": "Ours",
            "fields": {"year": "number"},
        }
        assert "papers" in served("collections", "list").out
        assert json.loads(served("collections", "show", "papers", "--json").out)["name"] == "papers"
        assert json.loads(served("collections", "list", "--json").out)["items"]

    @pytest.mark.parametrize("field", ["year", "=number", "year="])
    def test_a_field_has_a_name_and_a_type(self, served: Run, field: str) -> None:
        told = served("collections", "create", "papers", "--field", field)
        assert told.code == 2
        assert "NAME=TYPE" in told.err

    def test_one_is_deleted_after_a_yes(self, served: Run, wire: Wire) -> None:
        served("collections", "create", "papers")
        assert served("collections", "delete", "papers").code == 2
        assert "papers" in wire.collections
        assert served("collections", "delete", "papers", "--yes").out == "papers is deleted.\n"
        assert served("collections", "delete", "papers", "--yes").code == 4
        served("collections", "create", "papers")
        told = served("collections", "delete", "papers", "--yes", "--json")
        assert json.loads(told.out) == {"deleted": ["papers"]}


class TestUsage:
    def test_sums_are_shown_by_collection_and_in_all(self, served: Run, wire: Wire) -> None:
        told = served("usage", "--since", "2026-01-02", "--until", "2026-02-01T10:00:00")
        assert told.code == 0
        assert [line.split()[0] for line in told.out.splitlines()[1:]] == ["default", "(all)"]
        assert "3.4 MB" in told.out
        assert wire.last("/v1/usage")["since"].startswith("2026-01-02T00:00:00")

    def test_a_program_reads_them(self, served: Run) -> None:
        assert json.loads(served("usage", "--json").out)["total"]["embedding"]["cached"] == 7

    def test_a_day_that_is_none_is_wrong_usage(self, served: Run) -> None:
        assert served("usage", "--since", "yesterday").code == 2


@pytest.mark.parametrize(
    ("amount", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2 * 10**15, "2000.0 TB")]
)
def test_bytes_are_worded(amount: int, words: str) -> None:
    assert size(amount) == words
