"""XML of any vocabulary: text, records, names of data; nothing resolved or fetched."""

from pathlib import Path

import pytest

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.xml import MAX_CHARS, without_dtd
from shared.errors import FileCorrupt


def read(folder: Path, content: str | bytes, filename: str = "a.xml") -> Parsed:
    path = folder / "blob"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Parsers().parse(Source(path, filename), None)


def text(parsed: Parsed) -> str:
    return "\n".join(one.text for one in parsed.elements)


def test_short_texts_of_data_come_with_their_names(tmp_path: Path) -> None:
    content = """<?xml version="1.0"?><shop xmlns="urn:x"><!-- no --><item><name>Green tea</name>
    <price>12.50</price><size unit="kg" n="2"/></item><item><name>Salt</name></item></shop>"""
    assert text(read(tmp_path, content)).split("\n") == [
        *("name: Green tea", "price: 12.50", "size: unit: kg, n: 2", "", "name: Salt"),
    ]


def test_mixed_text_is_one_run(tmp_path: Path) -> None:
    content = "<doc><para>We <b>never</b> said\n <i>that <u>much</u></i>.</para></doc>"
    assert text(read(tmp_path, content)) == "para: We never said that much."
    long = "say so much in one single sentence, whatever it is that you mean."
    content = f"<doc><para><b>Never</b> {long}</para></doc>"
    assert text(read(tmp_path, content)).startswith("Never say so much in one")


def test_records_make_elements_and_nothing_is_lost(tmp_path: Path) -> None:
    records = "".join(f"<r><n>{n}</n><w>word {n}</w></r>" for n in range(3000))
    parsed = read(tmp_path, f"<all><head>First</head>{records}<tail>Last</tail></all>")
    assert len(parsed.elements) > 10
    assert all(len(one.text) < MAX_CHARS for one in parsed.elements)
    lines = [line for line in text(parsed).split("\n") if line]
    assert lines == [
        "head: First",
        *(line for n in range(3000) for line in (f"n: {n}", f"w: word {n}")),
        "tail: Last",
    ]


@pytest.mark.parametrize(
    "dtd",
    [
        '[<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]',
        '[<!ENTITY b SYSTEM "file:///etc/hostname">]',
        'SYSTEM "http://127.0.0.1:9/x.dtd" [<!-- ]> \' --><!ENTITY b "lol">]',
        '[<!ENTITY b "]>lol"> <?x ?> <!ELEMENT t ANY>]',
    ],
)
def test_no_entity_is_resolved(tmp_path: Path, dtd: str) -> None:
    parsed = read(
        tmp_path, f'<?xml version="1.0"?>\n<!DOCTYPE t {dtd}><t>before &b; after &amp;</t>'
    )
    assert " ".join(text(parsed).split()) == "t: before after &"


def test_a_declaration_without_end_is_refused() -> None:
    with pytest.raises(FileCorrupt):
        without_dtd('<!DOCTYPE t [<!ENTITY a "x">')
    assert without_dtd("<t><!DOCTYPE x></t>") == "<t><!DOCTYPE x></t>"


def test_encodings_that_are_declared_are_believed(tmp_path: Path) -> None:
    content = '<?xml version="1.0" encoding="gb2312"?><t>当然不是打游击</t>'.encode("gb18030")
    assert text(read(tmp_path, content)) == "t: 当然不是打游击"


def test_damage_is_read_as_far_as_it_goes_and_told(tmp_path: Path) -> None:
    parsed = read(tmp_path, "<t><a>What is here is a sentence of some length, or rather two.</a><b")
    assert text(parsed).startswith(("What is here", "a: What"))
    assert [warning.code for warning in parsed.warnings] == ["truncated"]


def test_drawings_show_their_text_alone(tmp_path: Path) -> None:
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg"><style>a {}</style><script>b()</script>'
        "<text>Engine room</text></svg>"
    )
    assert text(read(tmp_path, drawing, "a.svg")) == "text: Engine room"
