"""`citewell ingest`: all is sent, watched to its end and told, and what breaks is survived."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from citewell.loading import loader
from tests.support.shell import Run
from tests.support.wire import KEY, Fault, Wire, busy


@pytest.fixture(autouse=True)
def folder(run: Run) -> Path:
    """Twelve files in the working folder `docs`."""
    path = Path("docs/sub")
    path.mkdir(parents=True)
    for number in range(12):
        (path / f"{number:02}.txt").write_text(str(number))
    return Path("docs")


def test_a_folder_is_loaded_under_relative_names(served: Run, wire: Wire) -> None:
    told = served("ingest", "docs")
    assert told.code == 0
    assert sorted(wire.names) == [f"sub/{number:02}.txt" for number in range(12)]
    assert "12 fine, 0 of them unchanged, 0 failed; 12 pages" in told.out


def test_what_failed_is_told_with_the_reason(served: Run, folder: Path) -> None:
    (folder / "bad.txt").write_text("x")
    (folder / "empty.txt").write_text("")
    (folder / "odd.txt").write_text("x")
    (folder / ".hidden").write_text("x")
    told = served("ingest", "docs")
    assert told.code == 1
    assert "13 fine, 0 of them unchanged, 2 failed" in told.out
    for expected in ("file_corrupt", "It is cut short.", "file_empty", "page_without_text"):
        assert expected in told.out
    assert "1 hidden files or folders were passed over." in told.out


def test_json_tells_all_of_it(served: Run, folder: Path) -> None:
    (folder / "bad.txt").write_text("x")
    told = served("ingest", "docs", "--json")
    summary = json.loads(told.out)
    assert (summary["files"], summary["done"], summary["failed"]) == (13, 13, 1)
    assert summary["failures"][0]["name"] == "bad.txt"
    assert summary["failures"][0]["job_id"]


def test_loading_again_says_what_was_unchanged(served: Run) -> None:
    served("ingest", "docs")
    assert "12 of them unchanged" in served("ingest", "docs").out


def test_requests_are_bounded_and_sent_side_by_side(
    served: Run, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "MOST_FILES", 2)
    wire.upload_s = 0.2
    assert served("ingest", "docs", "--concurrency", "3").code == 0
    assert wire.uploads == [2] * 6
    assert 2 <= wire.most_at_once <= 3


def test_a_busy_server_and_a_broken_line_are_survived(served: Run, wire: Wire) -> None:
    first_contact = Fault(status=200, body='{"items": []}')
    wire.faults = [first_contact, *busy(2), Fault(cut=True), Fault(status=502, body="away")]
    assert served("ingest", "docs").code == 0
    assert len(wire.contents) == 12


def test_a_new_collection_is_made_first(served: Run, wire: Wire) -> None:
    assert served("ingest", "docs", "-c", "papers").code == 0
    assert "papers" in wire.collections
    assert wire.last("/v1/documents")["collection"] == "papers"


def test_a_pattern_narrows_what_is_taken(served: Run, wire: Wire) -> None:
    served("ingest", "docs", "--glob", "*/0[0-4].txt")
    assert len(wire.names) == 5


def test_an_unreadable_file_is_told_and_the_others_are_loaded(
    served: Run, wire: Wire, folder: Path
) -> None:
    (folder / "gone.txt").symlink_to("nowhere")
    told = served("ingest", "docs")
    assert told.code == 1
    assert "file_unreadable" in told.out
    assert len(wire.contents) == 12


def test_a_request_refused_as_a_whole_is_told_for_each_file(served: Run, wire: Wire) -> None:
    first_contact = Fault(status=200, body='{"items": []}')
    wire.faults = [first_contact, Fault(status=413, body="too large")]
    told = served("ingest", "docs", "--json")
    assert told.code == 1
    assert json.loads(told.out)["failed"] == 12


def test_a_wrong_key_ends_it_at_once(served: Run, wire: Wire) -> None:
    told = served("ingest", "docs", "--key", "wrong")
    assert told.code == 4
    assert "12 of 12 files were not sent" in told.err
    assert wire.names == []


def test_no_such_folder_is_wrong_usage(served: Run) -> None:
    told = served("ingest", "nowhere")
    assert told.code == 2
    assert "nowhere" in told.err


def test_an_absent_server_is_told_within_seconds(run: Run, socket_enabled: None) -> None:
    started = time.monotonic()
    told = run("ingest", "docs", "--url", "http://127.0.0.1:1")
    assert told.code == 3
    assert time.monotonic() - started < 5


def test_ctrl_c_says_how_to_see_the_batch_later(wire: Wire) -> None:
    wire.endless = True
    command = [sys.executable, "-c", "from citewell.cli import main; main()", "ingest", "docs"]
    process = subprocess.Popen(
        [*command, "--url", wire.url, "--key", KEY], stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 20
    while not wire.looks and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    (batch_id,) = wire.batches
    assert f"citewell batches show {batch_id} --wait" in err
    assert "Traceback" not in err
