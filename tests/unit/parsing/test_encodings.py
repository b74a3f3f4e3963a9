"""Bytes to text, in the encoding they are in."""

import pytest

from services.ingest_worker.parsing.encodings import decode, is_text
from shared.errors import TypeUnsupported

GERMAN = "Größenänderung überprüfen für den Straßenbau in München.\n" * 10
RUSSIAN = "Квартальный отчёт про продажи за прошлый год.\n" * 10
JAPANESE = "四半期の売上報告書は次のとおりです。ご確認ください。\n" * 10


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-8", "utf-16-le", "utf-16-be"]
)
def test_unicode_is_known_with_or_without_its_mark(encoding: str) -> None:
    decoded = decode(GERMAN.encode(encoding))
    assert decoded.text == GERMAN
    assert decoded.warnings == []


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc-jp"),
    ],
)
def test_a_guess_is_warned_about(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert [warning.code for warning in decoded.warnings] == ["encoding_guessed"]


def test_iso_2022_is_told_by_its_escapes() -> None:
    assert decode(JAPANESE.encode("iso-2022-jp")).text == JAPANESE


def test_an_escape_alone_does_not_make_it_iso_2022() -> None:
    assert decode(b"press \x1b$ or ~{ to go on \xc3\xa9").text == "press \x1b$ or ~{ to go on é"


@pytest.mark.parametrize(
    "head",
    [
        '<?xml version="1.0" encoding="windows-1250"?><a>',
        '<html><head><meta charset="windows-1250"></head>',
        '<html><meta http-equiv="Content-Type" content="text/html; charset=windows-1250">',
    ],
)
def test_markup_is_believed(head: str) -> None:
    text = f"{head}Příliš žluťoučký kůň"
    assert decode(text.encode("cp1250")).text == text


@pytest.mark.parametrize("name", ["utf-16", "punycode", "no-such-thing", "hex", "isomorphic"])
def test_a_false_declaration_is_not(name: str) -> None:
    content = f'<meta charset="{name}">Größe der Änderung für Straßen'.encode("cp1252")
    assert decode(content).text.endswith("Größe der Änderung für Straßen")


def test_utf_8_beats_a_declaration() -> None:
    assert decode('<meta charset="latin1">é'.encode()).text.endswith("é")


def test_latin1_is_read_as_browsers_read_it() -> None:
    assert decode(b'<meta charset="iso-8859-1">\x93quoted\x94 \xe4').text.endswith("“quoted” ä")


def test_a_damaged_character_is_replaced_and_told() -> None:
    decoded = decode(b"word " * 100 + b"\xff" + b" word" * 100)
    assert "\ufffd" in decoded.text
    assert decoded.warnings[0].detail.endswith("UTF-8 with damaged characters.")


def test_a_long_file_is_guessed_by_its_beginning() -> None:
    text = RUSSIAN * 200
    assert decode(text.encode("koi8-r")).text == text


def test_bytes_of_no_encoding_are_refused() -> None:
    with pytest.raises(TypeUnsupported):
        decode(bytes(range(128, 256)) * 40 + b"\x00\x01\x02" * 300)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"plain words\n", True),
        (GERMAN.encode("cp1252"), True),
        (GERMAN.encode("utf-16-le"), True),
        (b"\xef\xbb\xbf", True),
        (b"\x1b$B;M\x1b(B", True),
        (bytes(range(256)) * 8, False),
        (b"MZ\x90\x00\x03\x00\x00\x00" * 50, False),
        (b"x" * 600 + b"\x00" * 60, False),
        (b"a", True),
    ],
)
def test_text_is_told_from_bytes(head: bytes, expected: bool) -> None:  # noqa: FBT001
    assert is_text(head) is expected
