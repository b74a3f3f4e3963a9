"""Whether a text says something or denies it."""

import re
from collections.abc import Collection, Sequence

from services.query_api.generation.verification.readings import Reading

# Of several languages; a word that negates in one of them hardly stands in the others.
_NO = (
    r"not|no|never|without|neither|nor|none|nobody|nothing|nowhere|cannot|\w+n['\u2019]t"
    r"|nicht|kein\w*|nie|niemals|ohne|pas|jamais|sans|aucune?|nunca|sin|ning[u\u00fa]n\w*"
)
_NEGATION = re.compile(rf"\b(?:{_NO})\b", re.IGNORECASE)
# Words that deny by what they mean: they excuse a difference, they do not make one.
_DENYING = re.compile(
    rf"\b(?:{_NO}|fail\w*|refus\w*|den(?:y|ie[sd])|unable|prohibit\w*|forb[ia]d\w*|ban(?:ned|s)?"
    r"|exclu\w+|except\w*|lack\w*|hardly|rarely|barely|seldom|few|little|only|instead|rather|than"
    r"|despite|although|un\w{4,}|in\w{4,}|im\w{4,}|dis\w{4,}|avoid\w*|free|abs(?:ent|ence)"
    r"|exempt\w*|excus\w*|waive\w*|stop\w*|prevent\w*|reject\w*|nor|but|other|few\w*|less)\b",
    re.IGNORECASE,
)
_SCOPE = 3


def contradict(claim: Reading, source: Reading, rest: str) -> bool:
    """Tell whether one denies what the other says.

    `rest` is what stands around the source; a word there or in the source that denies by its
    meaning excuses a denial of the claim.
    """
    if _NEGATION.search(claim.text):
        return not _DENYING.search(source.text) and not _NEGATION.search(rest)
    if _DENYING.search(claim.text):
        return False
    return any(
        _denied(found.end(), claim.keys, source) for found in _NEGATION.finditer(source.text)
    )


def _denied(at: int, said: Collection[str], source: Reading) -> bool:
    """Tell whether all that follows a negation, as far as it reaches, is said by the claim."""
    reach: Sequence[str] = [
        word.key for word in source.words if word.start >= at and not word.idle
    ][:_SCOPE]
    return len(reach) > 1 and all(key in said for key in reach)
