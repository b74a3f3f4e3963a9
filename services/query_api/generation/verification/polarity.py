"""Whether a text says something or denies it."""

import re
from collections.abc import Collection, Iterable
from itertools import islice

from services.query_api.generation.verification.readings import Reading

# Of several languages; a word that negates in one of them hardly stands in the others.
_NO = (
    r"not|no(?! (?:later|more|less|fewer|sooner|other) than)|never"
    r"|without|neither|nor|none|nobody|nothing|nowhere|cannot|\w+n['\u2019]t"
    r"|nicht|kein\w*|nie|niemals|ohne|pas|jamais|sans|aucune?|nunca|sin|ning[u\u00fa]n\w*"
)
_NEGATION = re.compile(rf"\b(?:{_NO})\b", re.IGNORECASE)
# Words that deny by what they mean: they excuse a difference, they do not make one.
_DENYING = re.compile(
    rf"\b(?:{_NO}|fail\w*|refus\w*|den(?:y|ie[sd])|unable|prohibit\w*|forb[ia]d\w*|ban(?:ned|s)?"
    r"|exclu\w+|except\w*|lack\w*|hardly|rarely|barely|seldom|few|little|only|instead|rather than"
    r"|despite|although|un\w{4,}|dis\w{4,}|\w{3,}less|avoid\w*|free|abs(?:ent|ence)"
    r"|exempt\w*|excus\w*|waive\w*|stop\w*|prevent\w*|reject\w*|ruled out|lost|missing)\b",
    re.IGNORECASE,
)
_SCOPE = 3


def contradict(claim: Reading, source: Reading, beside: Iterable[Reading]) -> bool:
    """Tell whether one denies what the other says.

    A word of the source that denies by its meaning excuses a denial of the claim, and so does a
    denial of the same in what stands `beside` the source.
    """
    if _NEGATION.search(claim.text):
        return not _DENYING.search(source.text) and not any(
            _touched(found.end(), claim.keys, one)
            for one in beside
            for found in _NEGATION.finditer(one.text)
        )
    if _DENYING.search(claim.text):
        return False
    return any(
        _denied(found.end(), claim.keys, source) for found in _NEGATION.finditer(source.text)
    )


def _touched(at: int, said: Collection[str], source: Reading) -> bool:
    """Tell whether some of what a negation reaches is said by the claim."""
    return any(key in said for key in _reach(at, source))


def _denied(at: int, said: Collection[str], source: Reading) -> bool:
    """Tell whether all that follows a negation, as far as it reaches, is said by the claim."""
    reach = _reach(at, source)
    return len(reach) > 1 and all(key in said for key in reach)


def _reach(at: int, source: Reading) -> list[str]:
    behind = (word.key for word in source.words if word.start >= at and not word.idle)
    return list(islice(behind, _SCOPE))
