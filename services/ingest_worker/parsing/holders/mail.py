"""Mail (eml): the headers a reader wants and the body; attachments are handed out as files.

The format is RFC 5322 and MIME, as far as mails keep to it. A web archive (mhtml) is the same, with
a page for a body.
"""

import email
import mimetypes
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message

from services.ingest_worker.parsing.base import Member, Parsed, Source
from services.ingest_worker.parsing.detect import MAIL, MHTML
from services.ingest_worker.parsing.encodings import decode
from services.ingest_worker.parsing.scrub import scrub
from services.ingest_worker.parsing.text.html import read_html
from services.ingest_worker.parsing.text.plain import paragraphs
from shared.models import Element, ElementKind

_HEADERS = ("From", "To", "Cc", "Date", "Attachments")
# What carries a signature, and nothing to read.
_SIGNATURES = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
)
# A plain body that much shorter than the page beside it only says that there is a page.
MOST_TIMES_LONGER = 4
# A picture that the text shows, no larger than this, is decoration.
DECORATION_BYTES = 10 * 1024
# The system's own list may differ.
_SUFFIXES = mimetypes.MimeTypes().types_map_inv[True]


class MailParser:
    """Reads a mail's own text, and hands out its attachments."""

    name = "mail/1"
    media_types = frozenset({MAIL})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the subject, the headers and the body: plain text where that says enough."""
        del pages
        message = _open(source)
        bodies, attached = _sorted(message)
        text = [element for part in bodies for element in _body(part)]
        names = [_name(part, number) for number, part in enumerate(attached, start=1)]
        headers = headline(_headers(message) | {"Attachments": ", ".join(names)})
        return Parsed([*headers, *text], holds_files=bool(attached))

    def unpack(self, source: Source, pages: range | None) -> Iterator[Member]:
        """Yield the attachments, mails in the mail among them."""
        del pages
        _, attached = _sorted(_open(source))
        for number, part in enumerate(attached, start=1):
            content = _content(part)
            if not _is_decoration(part, content):
                yield Member(_name(part, number), iter((content,)))


class MhtmlParser:
    """Reads the page of a web archive; what the page only shows is left out."""

    name = "mhtml/1"
    media_types = frozenset({MHTML})

    def parse(self, source: Source, pages: range | None) -> Parsed:
        """Read the first page in the archive, else its first text."""
        del pages
        texts = [part for part in _open(source).walk() if part.get_content_maintype() == "text"]
        texts.sort(key=lambda part: part.get_content_type() != "text/html")
        return Parsed([element for part in texts[:1] for element in _body(part)])


def headline(headers: dict[str, str]) -> list[Element]:
    """Return a mail's subject as title and its other headers as a paragraph."""
    subject = headers.get("Subject", "")
    lines = [f"{name}: {headers[name]}" for name in _HEADERS if headers.get(name)]
    title = [Element(kind=ElementKind.TITLE, text=subject, level=1)] if subject else []
    said = [Element(kind=ElementKind.PARAGRAPH, text="\n".join(lines))] if lines else []
    return [*title, *said]


def best_body(plain: list[Element], page: list[Element]) -> list[Element]:
    """Return the plain text of a mail, or its page where that says much more."""
    short = MOST_TIMES_LONGER * _length(plain) < _length(page)
    return page if short else plain


def _length(elements: list[Element]) -> int:
    return sum(len(element.text) for element in elements)


def _open(source: Source) -> Message:
    with source.path.open("rb") as file:
        return email.message_from_binary_file(file)


def _headers(message: Message) -> dict[str, str]:
    return {name: _decoded(message.get(name, "")) for name in ("Subject", *_HEADERS)}


def _decoded(header: object) -> str:
    """Return a header's text; what is no valid encoding is guessed."""
    try:
        parts = decode_header(header)  # type: ignore[arg-type]
    except (ValueError, LookupError):
        parts = [(str(header), None)]
    text = ""
    for part, encoding in parts:
        # White space counts between encoded words and others only (RFC 2047, section 6.2).
        text += "" if encoding else " "
        text += part if isinstance(part, str) else _text(part, encoding)
        text += "" if encoding else " "
    return " ".join(scrub(text).split())


def _text(content: bytes, encoding: str | None) -> str:
    try:
        return content.decode(encoding or "utf-8")
    except (LookupError, UnicodeError):
        return decode(content).text if content else ""


def _sorted(message: Message) -> tuple[list[Message], list[Message]]:
    """Return the parts that are the body, and those that are attached."""
    bodies: list[Message] = []
    attached: list[Message] = []
    waiting = [message]
    while waiting:
        part = waiting.pop(0)
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            waiting = [*_parts(part), *waiting]
        elif _is_body(part):
            bodies.append(part)
        elif part.get_content_type() not in _SIGNATURES:
            attached.append(part)
    return bodies, attached


def _parts(part: Message) -> list[Message]:
    """Return what is inside a part; of alternatives the one to read, and what is no text."""
    parts = [one for one in part.get_payload() if isinstance(one, Message)]
    if part.get_content_subtype() != "alternative":
        return parts
    texts = [one for one in parts if _holds_text(one)]
    best = max(texts, key=_weight, default=None)
    return [one for one in parts if one is best or one not in texts]


def _holds_text(part: Message) -> bool:
    return any(one.get_content_maintype() == "text" for one in part.walk())


def _weight(part: Message) -> tuple[float, bool]:
    """Weigh an alternative: plain text, unless the page says very much more."""
    texts = [one for one in part.walk() if _is_body(one)]
    length = sum(_length(_body(one)) for one in texts)
    plain = all(one.get_content_type() == "text/plain" for one in texts)
    return (length * (MOST_TIMES_LONGER if plain else 1), plain)


def _is_body(part: Message) -> bool:
    if part.get_content_disposition() == "attachment" or part.get_filename():
        return False
    return part.get_content_type() in {"text/plain", "text/html", "text/enriched"}


def _body(part: Message) -> list[Element]:
    text = scrub(_text(_content(part), part.get_content_charset()))
    if part.get_content_type() == "text/html":
        return read_html(text).elements
    return [Element(kind=ElementKind.PARAGRAPH, text=one) for one in paragraphs(text)]


def _content(part: Message) -> bytes:
    if part.is_multipart():
        # A mail in the mail, or the report on one.
        inner = [one for one in part.get_payload() if isinstance(one, Message)]
        return b"\n".join(one.as_bytes() for one in inner)
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _is_decoration(part: Message, content: bytes) -> bool:
    shown = part.get("Content-ID") and part.get_content_disposition() != "attachment"
    small = len(content) <= DECORATION_BYTES
    return bool(shown) and small and part.get_content_maintype() == "image"


def _name(part: Message, number: int) -> str:
    if name := _decoded(part.get_filename() or ""):
        return name
    kind = part.get_content_type()
    if kind == "message/rfc822" and part.is_multipart():
        inner = next((one for one in part.get_payload() if isinstance(one, Message)), part)
        if subject := _headers(inner)["Subject"]:
            return f"{subject}.eml"
    return f"attachment-{number}{_suffix(kind)}"


def _suffix(kind: str) -> str:
    if kind == "message/rfc822":
        return ".eml"
    return next(iter(sorted(_SUFFIXES.get(kind, []))), "")
