"""Subtitles (SubRip, WebVTT): what is said, in paragraphs that begin with their time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.detect import SUBTITLES
from services.ingest_worker.parsing.encodings import decode_file
from shared.models import Element, ElementKind

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMES = re.compile(rf"({_TIME})\s*-->\s*({_TIME}).*")
_MARKUP = re.compile(r"<[^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
# WebVTT's blocks that nobody sees (w3.org/TR/webvtt1, section 4).
_UNSEEN = ("WEBVTT", "NOTE", "STYLE", "REGION")
PARAGRAPH_CHARS = 600
PAUSE_S = 4.0


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from one moment to another, in seconds."""

    begins: float
    ends: float
    text: str


class SubtitleParser:
    """Reads subtitles; cues run together until somebody pauses or a paragraph is full."""

    name = "subtitles/1"
    media_types = frozenset({SUBTITLES})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the cues as paragraphs such as `[0:01:05] Where were you?`."""
        del pages
        decoded = decode_file(source.path)
        elements = [
            Element(kind=ElementKind.PARAGRAPH, text=text)
            for text in _paragraphs(_cues(decoded.text))
        ]
        return Parsed(elements, warnings=decoded.warnings)


def _cues(text: str) -> Iterator[Cue]:
    for block in _BLANK_LINES.split(text.strip()):
        lines = block.split("\n")
        at = next((n for n, line in enumerate(lines[:3]) if _TIMES.match(line.strip())), None)
        if at is not None and (times := _TIMES.match(lines[at].strip())):
            yield Cue(_seconds(times[1]), _seconds(times[2]), _said(lines[at + 1 :]))
        elif not lines[0].startswith(_UNSEEN):
            # A cue may hold a blank line, and damage may have taken its time.
            yield Cue(-1, -1, _said(lines))


def _said(lines: list[str]) -> str:
    return " ".join(_MARKUP.sub("", " ".join(lines)).split())


def _seconds(time: str) -> float:
    *hours, minutes, seconds = time.replace(",", ".").split(":")
    return 3600 * int(hours[0] if hours else 0) + 60 * int(minutes) + float(seconds)


def _paragraphs(cues: Iterator[Cue]) -> Iterator[str]:
    text, end = "", 0.0
    for cue in cues:
        begins, last = (end, end) if cue.begins < 0 else (cue.begins, cue.ends)
        if len(text) > PARAGRAPH_CHARS or (text and begins - end > PAUSE_S):
            yield text
            text = ""
        if cue.text:
            text = f"{text} {cue.text}" if text else f"[{_clock(begins)}] {cue.text}"
        end = last
    if text:
        yield text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
