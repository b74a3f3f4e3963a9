"""Subtitles: what is said, with the time."""

from pathlib import Path

from services.ingest_worker.parsing.base import Source
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.subtitles import PARAGRAPH_CHARS

SRT = """\
1
00:01:02,500 --> 00:01:04,000
<i>Where were</i> you

2
00:01:04,100 --> 00:01:06,000 X1:1
- last night?

3
01:02:00,000 --> 01:02:03,000
{\\an8}At home.
"""
VTT = """\
WEBVTT - a film

NOTE nobody
sees this

STYLE
::cue { color: red }

intro
01:02.500 --> 01:04.000 align:start
<v Ada>Where were</v> you?
"""


def read(folder: Path, content: str, filename: str) -> list[str]:
    path = folder / "blob"
    path.write_text(content, encoding="utf-8")
    return [one.text for one in Parsers().parse(Source(path, filename), None).elements]


def test_cues_run_together_until_a_pause(tmp_path: Path) -> None:
    assert read(tmp_path, SRT, "a.srt") == [
        "[0:01:02] Where were you - last night?",
        "[1:02:00] At home.",
    ]


def test_what_nobody_sees_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, VTT, "a.vtt") == ["[0:01:02] Where were you?"]


def test_long_speech_is_cut(tmp_path: Path) -> None:
    cues = [f"{n}\n00:{n:02}:00,0 --> 00:{n:02}:59,900\n{'words ' * 20}\n" for n in range(60)]
    found = read(tmp_path, "\n".join(cues), "a.srt")
    assert all(len(text) < PARAGRAPH_CHARS + 200 for text in found)
    assert sum(text.count("words") for text in found) == 1200


def test_text_without_times_is_not_lost(tmp_path: Path) -> None:
    assert read(tmp_path, "Only words\n\nand more", "a.srt") == ["[0:00:00] Only words and more"]
