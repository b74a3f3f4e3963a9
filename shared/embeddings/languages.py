"""Whose stop words and stems a word has: told by its script, and by the stop words around it."""

import threading
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import Stemmer

from shared.embeddings.words import plain

# Lucene's English list, and the words that ask: they say nothing of what is asked for.
_LUCENE = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""
_ASKING = """
about also am been being between can could did do does during had has have he her him his how i its
may me might my our s she should so t than we were what when where which who whom whose why would
you your
"""
_LISTS = Path(__file__).parent / "stop_words.txt"

# The languages of each script (as Unicode calls it) that have a stemmer. The first is taken where
# nothing tells; of a script without any, words are as they stand.
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "LATIN": (
        *("english", "catalan", "czech", "danish", "dutch", "finnish", "french", "german"),
        *("hungarian", "indonesian", "italian", "norwegian", "polish", "portuguese", "romanian"),
        *("spanish", "swedish", "turkish"),
    ),
    "ARABIC": ("arabic", "persian"),
    "ARMENIAN": ("armenian",),
    "CYRILLIC": ("russian",),
    "DEVANAGARI": ("hindi",),
    "GREEK": ("greek",),
    "TAMIL": ("tamil",),
}
# What a text must have for a language that is not its script's first: as many stop words, and as
# many to each of the first's. Of 16,000 English texts six are then taken for another's.
_LEAST = 3
_TIMES = 1.5


def _alike() -> Mapping[int, str]:
    """Return the letters that are one in a term: without accents, Arabic and Cyrillic variants."""
    table = {ord("æ"): "ae", ord("œ"): "oe", ord("ø"): "o", ord("đ"): "d"}
    # Polish l with stroke, Turkish dotless i.
    table |= {0x0142: "l", 0x0131: "i"}
    # Alef with hamza below or above, madda, wasla; teh marbuta; both yeh without dots; keheh.
    table |= dict.fromkeys((0x0623, 0x0625, 0x0622, 0x0671), "\u0627") | {0x0629: "\u0647"}
    table |= dict.fromkeys((0x0649, 0x06CC), "\u064a") | {0x06A9: "\u0643"}
    for point in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(point))[0]
        if base.isascii():
            table[point] = base
    return table


_ALIKE = _alike()


def folded(term: str) -> str:
    """Return a term without accents: `café` is found by `cafe`, `أحمد` by `احمد`."""
    return term if term.isascii() else term.translate(_ALIKE)


def _stop_words() -> dict[str, frozenset[str]]:
    found = {"english": frozenset((_LUCENE + _ASKING).split())}
    for line in _LISTS.read_text(encoding="utf-8").splitlines():
        language, _, words = line.partition(": ")
        if not line.startswith("#"):
            found[language] = frozenset(map(plain, words.split()))
    for language in LANGUAGES["ARABIC"]:
        found[language] |= frozenset(map(folded, found[language]))
    return found


STOP_WORDS = _stop_words()


def _owners() -> dict[str, list[str]]:
    owners: dict[str, list[str]] = defaultdict(list)
    for language, words in STOP_WORDS.items():
        # A single letter is as often a list's or a unit's as a language's.
        for word in words:
            if len(word) > 1:
                owners[word].append(language)
    return dict(owners)


_OWNERS = _owners()
_NONE: frozenset[str] = frozenset()
_of_thread = threading.local()


def stop_words(language: str) -> frozenset[str]:
    """Return the words of a language that say nothing of what a text is about."""
    return STOP_WORDS.get(language, _NONE)


def script_of(word: str) -> str:
    """Return Unicode's name for the script of a word's first character; of a number too."""
    return "LATIN" if word.isascii() else _script(word[0])


def runs_of(words: Sequence[str]) -> Iterable[tuple[str, Sequence[str]]]:
    """Return the words in order, as runs of one script each."""
    if not words:
        return ()
    # Most texts: asking each word takes as long as all the rest.
    if "".join(words).isascii():
        return (("LATIN", words),)
    return [(script, list(run)) for script, run in groupby(words, script_of)]


@lru_cache(maxsize=8192)
def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def languages_of(words: Sequence[str]) -> dict[str, str]:
    """Return the language of each script in a text, told by the stop words it has.

    A text that has too few of them counts as its script's first language; a text of numbers has
    none.
    """
    scripts = {script for script, run in runs_of(words) if any(one[0].isalpha() for one in run)}
    votes = _votes(words)
    return {script: _elected(LANGUAGES[script], votes) for script in scripts if script in LANGUAGES}


def leading(words: Iterable[str], among: Collection[str]) -> list[str]:
    """Return which of these languages has the most stop words in a question; all that do."""
    votes = _votes(words)
    most = max((votes[language] for language in among), default=0)
    return [language for language in among if most and votes[language] == most]


def _votes(words: Iterable[str]) -> Counter[str]:
    votes: Counter[str] = Counter()
    counts = Counter(words)
    for word in counts.keys() & _OWNERS.keys():
        for language in _OWNERS[word]:
            votes[language] += counts[word]
    return votes


def _elected(languages: tuple[str, ...], votes: Counter[str]) -> str:
    best = max(languages, key=votes.__getitem__)
    first = languages[0]
    return best if votes[best] >= max(_LEAST, _TIMES * votes[first]) else first


def stems(words: Sequence[str], language: str | None) -> list[str]:
    """Return the words' terms: stemmed if there is a language, without accents."""
    stemmed = _stemmer(language).stemWords(words) if language else list(words)
    return stemmed if "".join(stemmed).isascii() else [folded(one) for one in stemmed]


def _stemmer(language: str) -> Stemmer.Stemmer:
    """Return this thread's stemmer: PyStemmer's are not to be shared between threads."""
    made: dict[str, Stemmer.Stemmer] = _of_thread.__dict__.setdefault("stemmers", {})
    if language not in made:
        made[language] = Stemmer.Stemmer(language)
    return made[language]
