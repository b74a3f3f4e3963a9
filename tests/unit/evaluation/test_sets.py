"""Judged questions are read as they stand, and what is wrong is told with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from citewell.evaluation.sets import corpus_files, read_set
from shared.errors import InvalidInput

QUERIES = [
    {"_id": "q1", "text": "Who was it?"},
    {"_id": "q2", "text": "Unjudged?"},
    {"_id": "q3", "text": "x" * 1500},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq3\tq3\t1\n"


def lines(*rows: Any) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my set"
    folder.mkdir()
    (folder / "queries.jsonl").write_text(lines(*QUERIES))
    (folder / "qrels.tsv").write_text(QRELS)
    (folder / "corpus.jsonl").write_text(
        lines({"_id": "d1", "title": "T", "text": "Body"}, {"_id": "d2", "text": ""})
    )
    return folder


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "questions.csv"
    path.write_text(text, encoding="utf-8")
    return path


class TestBeir:
    def test_questions_with_judgements_above_zero_are_asked(self, folder: Path) -> None:
        found = read_set(folder)
        assert (found.name, found.collection) == ("my set", "eval-my-set")
        first, long = found.questions
        assert (first.id, first.text, first.wanted) == ("q1", "Who was it?", {"d1.txt": 2})
        assert len(long.text) == 1000
        assert long.unwanted == "q3.txt"

    def test_judgements_may_lie_in_beirs_own_folder_and_have_no_heading(self, folder: Path) -> None:
        (folder / "qrels.tsv").unlink()
        (folder / "qrels").mkdir()
        (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\n")
        assert [one.id for one in read_set(folder).questions] == ["q1"]

    def test_a_document_is_a_file_of_title_blank_line_and_text(self, folder: Path) -> None:
        first, second = corpus_files(folder / "corpus.jsonl")
        assert (first.name, first.content) == ("d1.txt", b"T\n\nBody")
        assert (second.name, second.content) == ("d2.txt", b"d2\n\n")

    @pytest.mark.parametrize(
        ("name", "content", "told"),
        [
            ("queries.jsonl", '{"_id": "q1", "text": "a"}\n{"_id"\n', "line 2: not JSON"),
            ("queries.jsonl", "[]\n", "line 1: not a JSON object"),
            ("queries.jsonl", '\n{"_id": "q1"}\n', "line 2: no text under 'text'"),
            ("queries.jsonl", '{"_id": 5, "text": "a"}\n', "line 1: no text under '_id'"),
            ("queries.jsonl", '{"_id": "other", "text": "a"}\n', "no question has a judgement"),
            ("qrels.tsv", "q1\td1\t1\nq1 d2 1\n", "line 2: not query-id, corpus-id, score"),
            ("qrels.tsv", "q1\td1\tmuch\n", "line 1: not query-id"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_line(
        self, folder: Path, name: str, content: str, told: str
    ) -> None:
        (folder / name).write_text(content)
        with pytest.raises(InvalidInput, match=told) as raised:
            read_set(folder)
        assert name in raised.value.detail

    def test_a_folder_without_judgements_and_nothing_at_all_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"no qrels\.tsv"):
            read_set(tmp_path)
        with pytest.raises(InvalidInput, match="no file or folder"):
            read_set(tmp_path / "nowhere")

    def test_bytes_that_are_no_text_are_told(self, folder: Path) -> None:
        (folder / "queries.jsonl").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InvalidInput, match="cannot be read"):
            read_set(folder)


class TestCsv:
    def test_rows_of_one_question_are_one_with_several_documents(self, tmp_path: Path) -> None:
        found = read_set(
            written(
                tmp_path,
                "question,document,page,collection\n"
                '"How long, please?",a.pdf,3,papers\n'
                '"How long, please?",b.pdf,,papers\n'
                '"How long, please?",c.pdf,,\n',
            )
        )
        assert found.corpus is None
        first, second = found.questions
        assert first.wanted == {"a.pdf": 1, "b.pdf": 1}
        assert first.pages == {"a.pdf": 3}
        assert (first.collection, second.collection) == ("papers", None)

    def test_what_a_spreadsheet_writes_is_read(self, tmp_path: Path) -> None:
        found = read_set(written(tmp_path, "\ufeffdocument,question\r\na.pdf,Why?\r\n"))
        assert found.questions[0].text == "Why?"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "line 1: no column question and no column document"),
            ("question,page\n", "line 1: no column document"),
            ("question,document\n", "has no questions"),
            ("question,document\nWhy?,\n", "line 2: no document"),
            ("question,document\n,a.pdf\n", "line 2: no question"),
            ("question,document,page\nWhy?,a.pdf,0\n", "line 2: '0' is no page"),
            ("question,document,page\nWhy?,a.pdf,iv\n", "line 2: 'iv' is no page"),
            ("question,document\nWhy, then?,a.pdf\n", "line 2: more cells than columns"),
            (f"question,document\n{'x' * 1001},a.pdf\n", "line 2: a question of more than 1000"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_line(
        self, tmp_path: Path, text: str, told: str
    ) -> None:
        with pytest.raises(InvalidInput, match=told):
            read_set(written(tmp_path, text))
