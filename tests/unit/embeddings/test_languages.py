"""Languages told by stop words, scripts without blanks, letters that are one in a term."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.embeddings.languages import LANGUAGES, STOP_WORDS, languages_of, stems
from shared.embeddings.sparse import chunk_terms, query_terms
from shared.embeddings.terms import terms
from shared.embeddings.words import joined_of, plain, wholes_of, words_of

GERMAN = "Die Rechnungen der Häuser werden von den Ämtern nicht vor dem Ende des Jahres bezahlt."
FRENCH = "Les factures de la maison ne sont pas payées par les banques avant la fin de l'année."
RUSSIAN = "Счета за дома не были оплачены администрацией до конца года, и это не всё."
ARABIC = "لم يتم دفع فواتير المنازل من قبل الإدارة حتى نهاية العام، وهذا ليس كل شيء في الكتاب."
ENGLISH = "The invoices of the houses are not paid by the bank before the end of the year."


def found_by(question: str, text: str, languages: dict[str, int]) -> int:
    """Count the terms that a question shares with a chunk."""
    return len(
        set(query_terms(question, languages).indices) & set(chunk_terms(text).vector.indices)
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "german"),
        (FRENCH, "french"),
        (RUSSIAN, "russian"),
        (ARABIC, "arabic"),
        (ENGLISH, "english"),
        ("De rekeningen van het huis worden niet voor het einde van het jaar betaald.", "dutch"),
        ("Las facturas de la casa no se pagan antes del final del año por el banco.", "spanish"),
        ("Le fatture della casa non sono pagate prima della fine dell'anno dal banco.", "italian"),
        ("Räkningarna för huset är inte betalda av dem före slutet av året.", "swedish"),
        ("Στην τράπεζα δεν είναι κανείς στις γιορτές μετά.", "greek"),
        ("Lista cen", "english"),
        ("این کتاب را از او گرفتم و به تو دادم که آن را هم با خود ببری.", "persian"),
    ],
)
def test_a_text_says_its_language_by_its_stop_words(text: str, language: str) -> None:
    assert chunk_terms(text).languages == {language}


def test_a_text_of_two_scripts_has_a_language_in_each() -> None:
    both = chunk_terms(f"{RUSSIAN} {GERMAN}")
    assert both.languages == {"russian", "german"}


def test_numbers_alone_have_no_language() -> None:
    assert chunk_terms("2024 17 3.5").languages == set()


def test_a_question_finds_another_form_of_a_word_in_a_languages_chunk() -> None:
    assert found_by("Rechnungs Hauses", GERMAN, {"german": 90, "english": 10}) == 2
    # In English's stems neither word would be met.
    assert found_by("Häuser", GERMAN, {"english": 10}) == 0
    assert found_by("paiement des factures", FRENCH, {"french": 5}) == 2
    assert found_by("счёт дом", RUSSIAN, {"russian": 1}) == 2


def test_a_word_counts_once_whatever_the_languages() -> None:
    one = {"english": 50, "german": 50, "french": 50, "spanish": 50}
    assert found_by("invoices houses", ENGLISH, one) == found_by(
        "invoices houses", ENGLISH, {"english": 50}
    )


def test_stop_words_of_the_questions_language_are_no_terms_in_another() -> None:
    both = {"english": 50, "german": 50}
    assert query_terms("what is the", both).indices == ()
    # "die" is German's and leads; the most spoken language still has its own stem of "casting".
    found = set(query_terms("die casting", {"english": 90, "german": 10}).indices)
    assert set(query_terms("casting").indices) <= found


def test_rare_languages_do_not_move_a_question_in_the_one_that_most_chunks_have() -> None:
    rare = {"english": 5000, "french": 3, "romanian": 2}
    for question in ("cancer effects", "the effect of diets", "better organisation"):
        assert query_terms(question, rare) == query_terms(question, {"english": 5000})


def test_a_question_in_a_rare_language_is_read_in_it() -> None:
    assert found_by("was ist mit den Rechnungen", GERMAN, {"english": 5000, "german": 3}) == 1


def test_scripts_without_blanks_are_found_by_pairs_of_characters() -> None:
    assert terms("東京都") == ["東京", "京都"]
    assert terms("米") == ["米"]
    assert set(terms("ภาษาไทย")) & set(terms("เรียนภาษาไทยวันนี้"))
    assert found_by("東京", "私は東京に行く。", {}) == 1
    assert terms("COVIDに勝つ") == ["covid", "に勝", "勝つ"]


def test_korean_words_are_found_with_their_particles() -> None:
    assert found_by("학교", "우리는 학교에서 만났다", {}) == 1


def test_accents_and_case_are_no_difference() -> None:
    assert terms("Café") == terms("cafe")
    assert found_by("cafe", "Le CAFÉ de la gare est fermé pour les vacances.", {"french": 1}) == 1
    assert terms("Straße") == terms("STRASSE")
    assert terms("İstanbul") == terms("istanbul")


def test_a_cyrillic_letter_keeps_its_breve() -> None:
    assert terms("мой") != terms("мои")
    assert terms("ещё") == terms("еще")


def test_vowel_points_and_letter_variants_are_no_difference() -> None:
    assert terms("مُحَمَّد") == terms("محمد")
    assert terms("أحمد") == terms("احمد")
    assert terms("كـتـاب") == terms("كتاب")
    assert terms("شָלוֹם") == terms("شלום")
    assert terms("٢٠٢٤") == ["2024"]


def test_indic_words_are_not_cut_at_their_vowel_signs() -> None:
    assert words_of(plain("हिन्दी में")) == ["हिन्दी", "में"]


def test_greek_is_found_without_its_accents() -> None:
    assert terms("τράπεζα") == terms("ΤΡΑΠΕΖΑ")


@pytest.mark.parametrize("written", ["INV-2024-7", "inv_2024_7", "INV/2024/7", "Inv.2024.7"])
def test_a_code_is_one_term_however_its_parts_are_joined(written: str) -> None:
    assert wholes_of(plain(written)) == ["inv-2024-7"]


def test_a_code_that_a_question_writes_with_blanks_is_found_whole() -> None:
    assert list(joined_of("invoice inv 2024 7 paid")) == ["inv-2024", "inv-2024-7", "2024-7"]
    whole = set(query_terms("inv 2024 7").indices)
    assert set(query_terms("INV-2024-7").indices) <= whole


def test_a_question_of_numbers_alone_stays_small() -> None:
    assert len(query_terms(" ".join(map(str, range(500)))).indices) <= 5 * 500


def test_every_language_has_a_stemmer_and_what_has_a_list_is_known() -> None:
    known = {language for languages in LANGUAGES.values() for language in languages}
    assert all(stems(["word"], language) for language in known)
    assert set(STOP_WORDS) <= known


@given(st.text())
def test_a_text_is_found_by_itself_in_its_own_languages(text: str) -> None:
    told = chunk_terms(text)
    asked = set(query_terms(text, dict.fromkeys(told.languages, 1)).indices)
    kept = set(told.vector.indices)
    # A question drops the stop words of the languages that lead it, of every script.
    assert kept <= asked or len(languages_of(words_of(plain(text)))) > 1
