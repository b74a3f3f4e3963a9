"""Mails and web archives: what a reader wants, and what is attached."""

from email.message import EmailMessage
from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Member, Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from shared.models import ElementKind


def source(folder: Path, content: bytes, filename: str = "a.eml") -> Source:
    path = folder / "blob"
    path.write_bytes(content)
    return Source(path, filename)


def read(folder: Path, content: bytes, filename: str = "a.eml") -> Parsed:
    return Parsers().parse(source(folder, content, filename), None)


def texts(parsed: Parsed) -> list[str]:
    return [one.text for one in parsed.elements]


def attached(folder: Path, content: bytes) -> dict[str, bytes]:
    members = Parsers().unpack(source(folder, content))
    return {one.name: b"".join(one.pieces) for one in members if isinstance(one, Member)}


def both(plain: str, page: str) -> bytes:
    mail = EmailMessage()
    mail.set_content(plain)
    mail.add_alternative(page, subtype="html")
    return mail.as_bytes()


def test_headers_then_body(tmp_path: Path) -> None:
    content = (
        b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\nTo: ada@example.com\r\n"
        b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n aus Bern\r\nX-Spam: no\r\n"
        b"Date: Mon, 1 Jan 2024 10:00:00 +0100\r\n\r\nFirst.\r\n\r\nSecond.\r\n"
    )
    parsed = read(tmp_path, content)
    assert texts(parsed) == [
        "Grüße aus Bern",
        "From: Zoë <zoe@example.com>\nTo: ada@example.com\nDate: Mon, 1 Jan 2024 10:00:00 +0100",
        *("First.", "Second."),
    ]
    assert parsed.elements[0].kind is ElementKind.TITLE


def test_plain_text_is_preferred(tmp_path: Path) -> None:
    assert texts(read(tmp_path, both("The words.", "<p>The <b>words</b>.</p>"))) == ["The words."]


def test_a_page_that_says_much_more_is_preferred(tmp_path: Path) -> None:
    page = "<style>p {}</style><p>" + "All of the words. " * 20 + "</p>"
    (text,) = texts(read(tmp_path, both("See the page.", page)))
    assert text.startswith("All of the words.")


@pytest.mark.parametrize(
    "header", [b"Subject: =?no-such?Q?words?=", "Subject: wörds".encode("cp1252"), b"Subject: =?a"]
)
def test_damaged_headers_harm_nobody(tmp_path: Path, header: bytes) -> None:
    found = texts(read(tmp_path, header + b"\nDate: never\n\nThe body.\n"))
    assert found[-1] == "The body."
    assert len(found) == 3


def test_a_body_in_an_unknown_charset_is_guessed(tmp_path: Path) -> None:
    content = b"Content-Type: text/plain; charset=no-such\n\n" + "Grüße aus Zürich".encode()
    assert texts(read(tmp_path, content)) == ["Grüße aus Zürich"]


def test_attachments_come_by_name(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail.set_content("See below.")
    mail.add_attachment(
        b"%PDF-1.7", maintype="application", subtype="pdf", filename="../Bericht ü.pdf"
    )
    mail.add_attachment(b"one", maintype="text", subtype="plain", filename="n.txt")
    mail.add_attachment(b"two", maintype="text", subtype="plain", filename="n.txt")
    mail.add_attachment(b"BEGIN", maintype="text", subtype="calendar")
    content = mail.as_bytes()
    assert attached(tmp_path, content) == {
        "../Bericht ü.pdf": b"%PDF-1.7",
        "n.txt": b"one",
        "n (2).txt": b"two",
        **{
            name: b"BEGIN"
            for name in attached(tmp_path, content)
            if name.startswith("attachment-4")
        },
    }
    assert len(attached(tmp_path, content)) == 4
    assert (
        "Attachments: ../Bericht ü.pdf, n.txt, n.txt, attachment-4"
        in texts(read(tmp_path, content))[0]
    )


def test_small_pictures_that_the_text_shows_are_decoration(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail.set_content("<p>Words <img src='cid:logo'></p>", subtype="html")
    for size in (100, 20_000):
        mail.add_related(
            bytes(size), "image", "png", cid="<logo>", filename=f"{size}.png", disposition="inline"
        )
    assert list(attached(tmp_path, mail.as_bytes())) == ["20000.png"]


def test_a_mail_in_a_mail_is_attached_under_its_subject(tmp_path: Path) -> None:
    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"] = "Inner"
    inner.set_content("Within.")
    outer.set_content("Around.")
    outer.add_attachment(inner)
    (name, content), *_ = attached(tmp_path, outer.as_bytes()).items()
    assert (name, texts(read(tmp_path, content))) == ("Inner.eml", ["Inner", "Within."])
    assert "Within." not in " ".join(texts(read(tmp_path, outer.as_bytes())))


def test_the_page_of_a_web_archive(tmp_path: Path) -> None:
    archive = EmailMessage()
    archive["Subject"] = "Saved"
    archive.set_content("p { color: red }", subtype="css")
    archive.make_mixed()
    page = EmailMessage()
    page.set_content("<h1>Kettles</h1><p>They boil.</p>", subtype="html")
    archive.attach(page)
    found = read(tmp_path, archive.as_bytes(), "a.mhtml")
    assert texts(found) == ["Kettles", "They boil."]
