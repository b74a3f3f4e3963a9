"""The terms of a text: what is left of its words when their forms no longer matter."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from shared.embeddings.languages import LANGUAGES, runs_of, stems, stop_words
from shared.embeddings.words import plain, wholes_of, words_of

FIRST = {script: languages[0] for script, languages in LANGUAGES.items()}


def terms(text: str) -> list[str]:
    """Return the terms of a text in order: stems of its words, then identifiers kept whole.

    Every script is taken for its first language, so terms of any two texts may be compared.

    Example:
        `terms("The invoice INV-7 was paid")` is `["invoic", "inv", "7", "paid", "inv-7"]`.
    """
    simple = plain(text)
    return stemmed(words_of(simple), FIRST) + wholes_of(simple)


def terms_among(text: str, wanted: AbstractSet[str]) -> set[str]:
    """Return those of some terms that a text has: `terms` in half its time."""
    simple = plain(text)
    found = set(stemmed(list(dict.fromkeys(words_of(simple))), FIRST))
    if not all(map(str.isalnum, wanted)):
        found.update(wholes_of(simple))
    return found.intersection(wanted)


def stemmed(words: Sequence[str], languages: Mapping[str, str]) -> list[str]:
    """Return the stems of words in order, stop words left out; `languages` are those of scripts."""
    found: list[str] = []
    for script, run in runs_of(words):
        language = languages.get(script)
        said = stop_words(language) if language else ()
        found += stems([word for word in run if word not in said], language)
    return found
