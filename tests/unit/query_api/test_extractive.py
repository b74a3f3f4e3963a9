from hypothesis import given
from hypothesis import strategies as st

from services.query_api.generation.extractive import MAX_SENTENCES, extract
from services.query_api.generation.passages import numbered
from services.query_api.generation.quotes import MAX_QUOTE_CHARS, shortened
from tests.unit.query_api.hits import make_hit, make_passages

LEAVE = "Staff have 26 days of vacation. Parental leave is 16 weeks. Dogs are welcome."
OTHER = "The cafeteria opens at eight. Parents may park in the yard."


def test_the_sentence_that_speaks_of_the_question_answers_it() -> None:
    cited = extract("How long is parental leave?", make_passages(LEAVE, OTHER))
    assert cited.text.startswith("Parental leave is 16 weeks. [Source: 1.pdf, page 1]")
    assert cited.claims[0].quote in LEAVE


def test_a_passage_of_more_relevance_goes_first() -> None:
    poor = make_hit("Parental leave is long.", filename="poor.pdf", score=0.4)
    good = make_hit("Parental leave is short.", filename="good.pdf", score=0.9)
    cited = extract("How about parental leave?", numbered([poor, good]))
    assert cited.sources[0] == "[Source: good.pdf, page 1]"


def test_no_shared_term_is_no_answer() -> None:
    cited = extract("Who painted the Mona Lisa?", make_passages(LEAVE))
    assert (cited.text, cited.claims) == ("", [])


def test_a_question_of_stop_words_is_no_answer() -> None:
    assert extract("What is it?", make_passages(LEAVE)).text == ""


def test_the_same_sentence_of_two_files_is_said_once() -> None:
    cited = extract("How long is parental leave?", make_passages(LEAVE, LEAVE))
    assert cited.text.count("Parental leave") == 1


@given(st.text(), st.text())
def test_what_is_said_stands_in_the_passage(question: str, text: str) -> None:

    cited = extract(question, numbered([make_hit(text)]))
    assert len(cited.claims) <= MAX_SENTENCES
    assert all(claim.quote in text for claim in cited.claims)


def test_a_long_quote_is_cut_at_a_word() -> None:
    text = "word " * 200
    quote = shortened(text)
    assert len(quote) <= MAX_QUOTE_CHARS
    assert text.startswith(quote)
    assert quote.endswith("word")
    assert shortened("x" * 999) == "x" * MAX_QUOTE_CHARS
