"""Canaries are made from what is distinctive, the same ones each time."""

from uuid import UUID, uuid5

from services.query_api.quality.making import ASKED_WORDS, make_canaries
from shared.database.quality import SampledChunk

SPACE = UUID(int=1)


def chunk(text: str, document: str = "a.txt", page: int = 1) -> SampledChunk:
    return SampledChunk(uuid5(SPACE, text), uuid5(SPACE, document), text, document, page)


COMMON = "This page was left blank for your own notes. "
CHUNKS = [
    chunk(f"{COMMON}The {word} pump of the second circuit runs dry at night.", f"{word}.txt")
    for word in ("coolant", "bilge", "vacuum", "feed")
]


def test_the_most_distinctive_sentence_is_asked_with_words_dropped() -> None:
    [first, *_] = make_canaries(CHUNKS, most=4)
    assert first.question == "The coolant pump the second circuit dry at night."
    assert (first.document, first.page, first.chunk_id) == ("coolant.txt", 1, CHUNKS[0].id)


def test_the_same_sample_makes_the_same_canaries() -> None:
    assert make_canaries(CHUNKS, most=4) == make_canaries(list(CHUNKS), most=4)


def test_each_document_has_its_turn_before_one_has_a_second() -> None:
    many = [chunk(f"Sentence number {n} is about nothing in particular.") for n in range(9)]
    documents = [one.document for one in make_canaries([*many, *CHUNKS], most=6)]
    assert sorted(documents) == [
        "a.txt",
        "a.txt",
        "bilge.txt",
        "coolant.txt",
        "feed.txt",
        "vacuum.txt",
    ]


def test_chunks_that_have_one_are_passed_over() -> None:
    made = make_canaries(CHUNKS, most=4, known=[CHUNKS[0].id])
    assert [one.document for one in made] == ["bilge.txt", "vacuum.txt", "feed.txt"]


def test_a_question_stays_short_and_texts_without_sentences_are_cut() -> None:
    long = " ".join(f"word{number}" for number in range(38))
    unspaced = "\u6771\u4eac\u90fd\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3042\u308b" * 30
    first, second = make_canaries([chunk(long), chunk(unspaced, "b.txt")], most=2)
    assert len(first.question.split()) == ASKED_WORDS
    assert 0 < len(second.question) <= 120


def test_nothing_is_made_of_nothing() -> None:
    assert make_canaries([], most=5) == []
    assert make_canaries([chunk("  ")], most=5) == []
