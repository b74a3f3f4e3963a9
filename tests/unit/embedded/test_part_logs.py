"""Logs of parts: found again after a start, cut when too long."""

import os
import re
from pathlib import Path

import pytest

from citewell.embedded import part_logs
from citewell.embedded.part_logs import PartLog

READY = re.compile(rb"ready")


def test_only_words_since_the_last_start_count(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "parse")
    log.begin()
    assert not log.says(READY)
    os.write(file := log.open(), b"ready\n")
    os.close(file)
    log.note("ended with 1")
    assert log.says(READY)
    assert log.tail().startswith("20")
    assert log.tail(1).endswith("ended with 1")
    log.begin()
    assert not log.says(READY)


def test_a_log_not_yet_written_says_nothing(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "parse")
    log.rotate()
    assert not log.says(READY)
    assert log.tail() == ""


def test_a_long_log_is_put_aside_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_logs, "LONGEST", 10)
    log = PartLog(tmp_path, "parse")
    writer = log.open()
    for number in range(6):
        os.write(writer, b"%d, a line that is too long\n" % number)
        log.rotate()
    os.write(writer, b"last\n")
    os.close(writer)
    assert log.path.read_text() == "last\n"
    aside = sorted(path.name for path in tmp_path.iterdir())
    assert aside == ["parse.log", "parse.log.1", "parse.log.2", "parse.log.3"]
    assert (tmp_path / "parse.log.1").read_text().startswith("5")
    assert (tmp_path / "parse.log.3").read_text().startswith("3")
