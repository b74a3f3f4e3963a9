"""Outlook's messages (msg): the same as a mail, kept in a compound file.

The format is MS-OXMSG; a property's number is MS-OXPROPS'.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import olefile  # type: ignore[import-untyped]

from services.ingest_worker.parsing.base import Member, Parsed, Source
from services.ingest_worker.parsing.detect import OUTLOOK
from services.ingest_worker.parsing.encodings import decode
from services.ingest_worker.parsing.holders.mail import best_body, headline
from services.ingest_worker.parsing.holders.outlook_rtf import holds_page, page_of, unpacked_rtf
from services.ingest_worker.parsing.office.rtf import read_rtf
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.html import read_html
from services.ingest_worker.parsing.text.plain import paragraphs
from shared.models import Element, ElementKind

_SUBJECT, _BODY, _PAGE, _RICH, _TO, _CC = "0037", "1000", "1013", "1009", "0E04", "0E03"
_SENDER, _ADDRESS = "0C1A", ("5D01", "0C1F", "0065")
_SENT, _DELIVERED = 0x00390040, 0x0E060040
_LONG_NAME, _SHORT_NAME, _DATA, _MESSAGE = "3707", "3704", "3701", "__substg1.0_3701000D"
_ATTACHMENT = "__attach_version1.0_#"
_UNICODE, _EIGHT_BIT, _BINARY = "001F", "001E", "0102"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
# Messages in messages in messages: what is deeper is not looked at.
MAX_DEPTH = 8
# The year 9000: a damaged date may be anything.
MAX_MICROSECONDS = 7400 * 365 * 86_400 * 1_000_000

Folder = tuple[str, ...]


class OutlookParser:
    """Reads a message's own text, and hands out its attachments."""

    name = "outlook/2"
    media_types = frozenset({OUTLOOK})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the subject, the headers and the body."""
        del pages
        with olefile.OleFileIO(str(source.path)) as file:
            message = _Message(file)
            body, headers = message.body(), headline(message.headers())
            return Parsed([*headers, *body], holds_files=message.holds_files())

    def unpack(self, source: Source, pages: range | None) -> Iterator[Member]:
        """Yield the attachments; messages in the message come as mails (eml)."""
        del pages
        with olefile.OleFileIO(str(source.path)) as file:
            yield from _Message(file).attached()


class _Message:
    """A message in a folder of the file: the root's, or one inside another."""

    def __init__(self, file: olefile.OleFileIO, folder: Folder = ()) -> None:
        self._file = file
        self._folder = folder

    def holds(self, number: str, kind: str) -> bool:
        return bool(self._file.exists([*self._folder, _stream(number, kind)]))

    def headers(self) -> dict[str, str]:
        address = next(filter(None, map(self._line, _ADDRESS)), "")
        sender = self._line(_SENDER)
        known = f"{sender} <{address}>" if sender and "@" in address else sender or address
        return {
            "Subject": self._line(_SUBJECT),
            "From": known,
            "To": self._line(_TO),
            "Cc": self._line(_CC),
            "Date": self._date(),
        }

    def body(self) -> list[Element]:
        text = self._text(_BODY)
        plain = [Element(kind=ElementKind.PARAGRAPH, text=one) for one in paragraphs(text) if one]
        page = self._binary(_PAGE)
        html = scrub(decode(page).text) if page else self._text(_PAGE)
        return best_body(plain, read_html(html).elements) or self._rich()

    def holds_files(self) -> bool:
        return bool(self._attachments())

    def _rich(self) -> list[Element]:
        """Return the body of a message that has it as rich text only."""
        rich = unpacked_rtf(self._binary(_RICH))
        page = read_html(scrub(page_of(rich))).elements if holds_page(rich) else []
        return page or read_rtf(rich)

    def attached(self) -> Iterator[Member]:
        for number, folder in enumerate(self._attachments(), start=1):
            inside = _Message(self._file, folder)
            if self._file.exists([*folder, _MESSAGE]):
                message = _Message(self._file, (*folder, _MESSAGE))
                subject = message.headers()["Subject"] or f"attachment-{number}"
                yield Member(f"{subject}.eml", iter((message.as_mail().as_bytes(),)))
            elif data := inside.data():
                yield Member(inside.file_name() or f"attachment-{number}", iter((data,)))

    def data(self) -> bytes:
        return self._binary(_DATA)

    def file_name(self) -> str:
        return self._line(_LONG_NAME) or self._line(_SHORT_NAME)

    def as_mail(self, depth: int = 0) -> EmailMessage:
        """Return the message in the form that mails travel in."""
        mail = EmailMessage()
        for name, value in self.headers().items():
            if value:
                mail[name] = value
        mail.set_content("\n\n".join(element.text for element in self.body()))
        for folder in self._attachments() if depth < MAX_DEPTH else ():
            inside = _Message(self._file, folder)
            if self._file.exists([*folder, _MESSAGE]):
                mail.add_attachment(_Message(self._file, (*folder, _MESSAGE)).as_mail(depth + 1))
            elif data := inside.data():
                mail.add_attachment(
                    *(data, "application", "octet-stream"), filename=inside.file_name()
                )
        return mail

    def _attachments(self) -> list[Folder]:
        depth = len(self._folder)
        folders = {
            tuple(path[: depth + 1])
            for path in self._file.listdir()
            if tuple(path[:depth]) == self._folder
            and len(path) > depth
            and path[depth].startswith(_ATTACHMENT)
        }
        return sorted(folders)

    def _line(self, number: str) -> str:
        return " ".join(self._text(number).split())

    def _text(self, number: str) -> str:
        if self.holds(number, _UNICODE):
            return scrub(self._read(number, _UNICODE).decode("utf-16-le", "replace"))
        content = self._read(number, _EIGHT_BIT) if self.holds(number, _EIGHT_BIT) else b""
        return scrub(decode(content).text) if content else ""

    def _binary(self, number: str) -> bytes:
        return self._read(number, _BINARY) if self.holds(number, _BINARY) else b""

    def _read(self, number: str, kind: str) -> bytes:
        content: bytes = self._file.openstream([*self._folder, _stream(number, kind)]).read()
        return content

    def _date(self) -> str:
        """Return when it was sent, from the table of fixed properties (MS-OXMSG 2.4)."""
        name = [*self._folder, "__properties_version1.0"]
        table: bytes = self._file.openstream(name).read() if self._file.exists(name) else b""
        times = dict(_fixed(table, 24 if self._folder else 32))
        ticks = times.get(_SENT) or times.get(_DELIVERED) or 0
        sent = _EPOCH + timedelta(microseconds=min(ticks // 10, MAX_MICROSECONDS))
        return sent.strftime("%a, %d %b %Y %H:%M:%S +0000") if ticks else ""


def _fixed(table: bytes, start: int) -> Iterator[tuple[int, int]]:
    for at in range(start, len(table) - 15, 16):
        yield (
            int.from_bytes(table[at : at + 4], "little"),
            int.from_bytes(table[at + 8 : at + 16], "little"),
        )


def _stream(number: str, kind: str) -> str:
    return f"__substg1.0_{number}{kind}"
