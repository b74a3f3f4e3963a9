import threading

from hypothesis import given
from hypothesis import strategies as st

from shared.embeddings.sparse import AVERAGE_TERMS, K1, B, document_terms, query_terms
from shared.embeddings.terms import terms


def test_words_are_lowered_stemmed_and_freed_of_stop_words() -> None:
    assert terms("What are the Employees' vacations?") == ["employe", "vacat"]


def test_identifiers_are_searchable_whole_and_in_parts() -> None:
    found = terms("Invoice INV-2024-0031 for max_retries, v1.2.3 and C++")
    assert {"inv-2024-0031", "2024", "max-retries", "retri", "v1-2-3", "c++"} <= set(found)


def test_words_joined_by_a_hyphen_are_only_words() -> None:
    assert terms("a well-known beta-carotene") == ["well", "known", "beta", "caroten"]


def test_thousands_are_found_with_and_without_separators() -> None:
    assert "1000" in terms("1,000 pieces")
    assert "1000" in terms("1000 pieces")


def test_ligatures_and_wide_forms_are_plain_letters() -> None:
    assert terms("\ufb01nance") == terms("finance")


def test_a_question_weighs_each_term_once() -> None:
    assert query_terms("red red apples").values == (1.0, 1.0)


def test_a_question_of_stop_words_has_no_terms() -> None:
    assert query_terms("what is it?").indices == ()


def test_a_documents_weight_is_bm25s_term_frequency() -> None:
    text = "apple apple " + "pear " * 126
    vector = document_terms(text)
    weights = dict(zip(vector.indices, vector.values, strict=True))
    (apple,) = query_terms("apple").indices
    length = K1 * (1 - B + B * 128 / AVERAGE_TERMS)
    assert weights[apple] == 2 * (K1 + 1) / (2 + length)


def test_a_longer_document_weighs_the_same_word_less() -> None:
    (apple,) = query_terms("apple").indices

    def weight(text: str) -> float:
        vector = document_terms(text)
        return vector.values[vector.indices.index(apple)]

    assert weight("apple pear") > weight("apple " + "pear " * 300)


def test_threads_do_not_share_a_stemmer() -> None:
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(terms("running")))
    thread.start()
    thread.join()
    assert found == [["run"]]


@given(st.text())
def test_ids_are_unique_32_bit_numbers_whatever_the_text(text: str) -> None:
    for vector in (document_terms(text), query_terms(text)):
        assert len(set(vector.indices)) == len(vector.indices) == len(vector.values)
        assert all(0 <= index < 2**32 for index in vector.indices)
        assert all(value > 0 for value in vector.values)


@given(st.text())
def test_a_text_found_by_itself_shares_every_term_with_itself(text: str) -> None:
    assert set(query_terms(text).indices) >= set(document_terms(text).indices)
