"""JSON: values with their keys, records together, damage read as text."""

import json
from pathlib import Path

from services.ingest_worker.parsing.base import Parsed, Source
from services.ingest_worker.parsing.registry import Parsers
from services.ingest_worker.parsing.text.json_data import MAX_CHARS


def read(folder: Path, content: str, filename: str = "a.json") -> Parsed:
    path = folder / "blob"
    path.write_text(content, encoding="utf-8")
    return Parsers().parse(Source(path, filename), None)


def text(parsed: Parsed) -> str:
    return "\n".join(one.text for one in parsed.elements)


def test_each_value_stands_with_its_keys(tmp_path: Path) -> None:
    order = {
        "id": 17,
        "buyer": {"name": "Zoë", "active": True, "note": None, "gone": ""},
        "tags": ["new", "paid"],
        "lines": [{"item": "tea", "price": 1.5}, {"item": "salt", "price": 0.8}],
    }
    assert text(read(tmp_path, json.dumps(order))).split("\n") == [
        *("id: 17", "buyer.name: Zoë", "buyer.active: true", "tags: new, paid"),
        *("lines.item: tea", "lines.price: 1.5", "", "lines.item: salt", "lines.price: 0.8"),
    ]


def test_plain_values_are_text(tmp_path: Path) -> None:
    assert text(read(tmp_path, '["one", 2, false]')).split("\n") == ["one", "2", "false"]
    assert text(read(tmp_path, '"only words"')) == "only words"


def test_lines_of_json_are_records(tmp_path: Path) -> None:
    lines = [json.dumps({"n": n, "word": f"word {n}"}) for n in range(500)]
    parsed = read(tmp_path, "\n".join(lines), "a.jsonl")
    assert len(parsed.elements) > 3
    assert all(len(one.text) <= MAX_CHARS for one in parsed.elements)
    # No record is torn: each element begins with the first key of one.
    assert all(one.text.startswith("n: ") for one in parsed.elements)
    assert text(parsed).count("word: ") == 500


def test_one_object_of_many_values_is_cut(tmp_path: Path) -> None:
    parsed = read(tmp_path, json.dumps({f"key{n}": "some words" for n in range(5000)}))
    assert max(len(one.text) for one in parsed.elements) < 2 * MAX_CHARS
    assert text(parsed).count("some words") == 5000


def test_what_is_not_quite_json_is_text(tmp_path: Path) -> None:
    content = '{"a": "first", // comment\n "b": NaN,}'
    assert text(read(tmp_path, content)) == content


def test_depth_takes_no_stack(tmp_path: Path) -> None:
    depth = 50_000
    deep = '{"k":' * depth + '"bottom"' + "}" * depth
    (element,) = read(tmp_path, deep).elements
    assert element.text.endswith(": bottom")
    assert len(element.text) < 200


def test_text_is_clean(tmp_path: Path) -> None:
    assert text(read(tmp_path, r'{"a\u0000b": "one\u0007two\ud83d\ude00"}')) == "ab: onetwo😀"
