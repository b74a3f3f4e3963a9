"""True statements: a question and its answer as a sentence, and a sentence in other words."""

import re
from collections.abc import Callable, Iterator, Mapping

_WHO = re.compile(r"^(?:Who|What) (?!did|do|does|is the|are the)(\w+) (.+?)\??$")
_BE = re.compile(r"^What (is|was|are|were) (the [^?]+?|[A-Z][^?]+?)\??$")
_WHICH = re.compile(
    r"^(?:What|Which) (\w+(?: (?!is|was|are|were|has|had|can|did|does|do)\w+)?)"
    r" (is|was|are|were|has|had|can|\w+ed) ([^?]+?)\??$"
)
_WHEN = re.compile(r"^When (was|were|is|are) ([^?]+?) (\w+(?:ed|en|t|un|wn|de))\??$")
_HOW_MANY = re.compile(r"^How many ([\w ]+?) (are|were|was|is|have|had|can|\w+ed) ([^?]+?)\??$")
_WHERE = re.compile(
    r"^Where (was|were|is|are) ([^?]+?) (located|born|held|found|founded|built)\??$"
)
_TIME = re.compile(r"^(?:in |on |\d|early|late|the )", re.IGNORECASE)
_LONGEST_ANSWER = 6
# Words of a sentence that can stand by itself.
_LENGTHS = range(6, 46)
_AUXILIARY = "did do does is are was were can could may would has had have"


def answered(question: str, answer: str) -> str | None:
    """Return question and answer as one sentence, or None where no rule makes a clean one."""
    if len(answer.split()) > _LONGEST_ANSWER or "," in question:
        return None
    for rule in (_as_who, _as_be, _as_when, _as_where, _as_how_many, _as_which):
        made = rule(question.strip(), answer.strip().rstrip("."))
        if made is not None:
            return made[0].upper() + made[1:] + "."
    return None


def _as_who(question: str, answer: str) -> str | None:
    found = _WHO.match(question)
    if found is None or not question.startswith("Who"):
        return None
    return f"{answer} {found[1]} {found[2]}"


def _as_be(question: str, answer: str) -> str | None:
    found = _BE.match(question)
    if found is None or re.search(r"\b(?:called|known|named|for|of|in|to|by)$", found[2]):
        return None
    return f"{found[2]} {found[1]} {answer}"


def _as_when(question: str, answer: str) -> str | None:
    found = _WHEN.match(question)
    if found is None or not re.search(r"\d|century", answer):
        return None
    time = answer if _TIME.match(answer) and not answer[0].isdigit() else f"in {answer}"
    return f"{found[2]} {found[1]} {found[3]} {time}"


def _as_where(question: str, answer: str) -> str | None:
    found = _WHERE.match(question)
    if found is None:
        return None
    place = answer if re.match(r"(?:in|at|on|near|from|under)\b", answer) else f"in {answer}"
    return f"{found[2]} {found[1]} {found[3]} {place}"


def _as_how_many(question: str, answer: str) -> str | None:
    found = _HOW_MANY.match(question)
    if found is None or re.search(r"\b(?:did|does|do)\b", question):
        return None
    count = answer.split(maxsplit=1)[0] if answer.endswith(found[1].split()[-1]) else answer
    return f"{count} {found[1]} {found[2]} {found[3]}"


def _as_which(question: str, answer: str) -> str | None:
    found = _WHICH.match(question)
    if (
        found is None
        or found[1].split()[0] in _AUXILIARY.split()
        or re.search(r"\bdid\b", question)
    ):
        return None
    return f"{answer} is the {found[1]} that {found[2]} {found[3]}"


_SYNONYMS: Mapping[str, str] = {
    "began": "started",
    "large": "big",
    "received": "got",
    "built": "constructed",
    "many": "numerous",
    "used": "employed",
    "often": "frequently",
    "helped": "assisted",
    "also": "in addition",
    "because": "since",
    "however": "but",
    "shows": "demonstrates",
    "allowed": "permitted",
    "required": "needed",
    "several": "a number of",
    "near": "close to",
    "became": "turned into",
    "main": "chief",
    "important": "significant",
    "under": "beneath",
    "although": "even though",
    "such as": "like",
    "led to": "brought about",
    "made": "produced",
    "including": "among them",
    "during": "in the course of",
    "known as": "called",
}
_WORDS = "two three four five six seven eight"
_DIGITS = {word: str(at) for at, word in enumerate(_WORDS.split(), 2)}
_SPELLED = {digit: word for word, digit in _DIGITS.items()}
_LEADING = re.compile(r"^((?:In|On|After|During|By|At|For|With|Under|From) [^,]{5,60}), (.+)\.$")
_TRAILING = re.compile(r"^(.{40,}?), (?:which|who|where|including|although|while|with)\b[^.]*\.$")
_BRACKETS = re.compile(r" \([^()]*\)")


def in_other_words(sentence: str) -> str | None:
    """Return a sentence mildly rewritten, or None where no rule changes it."""
    made = sentence
    for rule in _RULES:
        made = rule(made)
    return made if made != sentence else None


def _without_brackets(sentence: str) -> str:
    return _BRACKETS.sub("", sentence)


def _without_end(sentence: str) -> str:
    found = _TRAILING.match(sentence)
    return f"{found[1]}." if found else sentence


def _turned(sentence: str) -> str:
    found = _LEADING.match(sentence)
    if found is None:
        return sentence
    rest = found[2]
    return f"{rest[0].upper()}{rest[1:]} {found[1][0].lower()}{found[1][1:]}."


def _in_synonyms(sentence: str) -> str:
    return _replaced(sentence, _SYNONYMS)


def _in_digits(sentence: str) -> str:
    return _replaced(sentence, {**_DIGITS, **_SPELLED})


def _replaced(sentence: str, words: Mapping[str, str]) -> str:
    pattern = rf"(?<![\w.,-])(?:{'|'.join(words)})(?![\w-]|[.,]\d)"
    return re.sub(pattern, lambda found: words[found[0]], sentence)


_RULES: tuple[Callable[[str], str], ...] = (
    _without_brackets,
    _without_end,
    _turned,
    _in_synonyms,
    _in_digits,
)


def plain_sentences(spans: Iterator[str]) -> list[str]:
    """Return the sentences that can stand by themselves."""
    return [one for one in spans if one.endswith(".") and len(one.split()) in _LENGTHS]
