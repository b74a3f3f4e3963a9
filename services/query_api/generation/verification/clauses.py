"""A sentence without its markdown, and the clauses it is made of."""

import re
from collections.abc import Iterator

from services.query_api.generation.verification.readings import Reading

_BULLET = re.compile(r"^\s*(?:[-*+\u2022\u2013]\s+|\d{1,2}[.)]\s+|#+\s+|>\s+)+")
_EMPHASIS = re.compile(r"[*`]{1,3}|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)")
_BETWEEN = re.compile(
    r"[,;:()\u2013\u2014\u3001\uff0c\uff1b]|\s-\s"
    r"|\b(?:and|but|which|because|while|so|although|though|whereas|where|who|when|if|unless"
    r"|until|before|after|as well as|und|aber|weil|et|mais|car|y|pero|porque)\b",
    re.IGNORECASE,
)
# What a model says about its sources and its answer, not about the matter.
_TALK = re.compile(
    r"^\s*(?:(?:according to|based on|as stated in|as described in|per) (?:the )?"
    r"(?:\w+ )?(?:passages?|documents?|sources?|context|text|information)(?: provided| given)?"
    r"|the (?:\w+ )?(?:passages?|documents?|sources?|context|text)"
    r" (?:says?|states?|notes?|mentions?|explains?|describes?) that"
    r"|in (?:summary|short|conclusion|addition)|yes|no|however|additionally|furthermore|also"
    r"|therefore|moreover|overall|finally|sure|of course|certainly)\b[,:.]?\s*",
    re.IGNORECASE,
)
# A clause of fewer terms says too little by itself.
LEAST_TERMS = 2


def bare(sentence: str) -> str:
    """Return a sentence without bullets, emphasis and talk about its sources."""
    text = _EMPHASIS.sub("", _BULLET.sub("", sentence)).strip()
    told = _TALK.sub("", text)
    return told[:1].upper() + told[1:] if told != text else text


def clauses_of(text: str) -> Iterator[Reading]:
    """Yield the clauses of a sentence that have enough terms to be looked for by themselves."""
    for piece in _BETWEEN.split(text):
        reading = Reading(piece)
        if len(reading.keys) >= LEAST_TERMS:
            yield reading
