"""Text as the rest of the house may trust it: no NUL, no lone surrogate, no control character."""

import re
from typing import Any

# C0 and C1 controls but tab and newline, surrogates, and the two noncharacters libraries leave
# behind. Postgres refuses NUL, UTF-8 refuses surrogates, terminals obey the others.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85]")


def scrub(text: str) -> str:
    r"""Return `text` with line breaks as newlines and everything unprintable taken out.

    Surrogate pairs become the character they stand for, lone surrogates U+FFFD.

    >>> scrub("one\r\ntwo\x00 \x1b[31mred")
    'one\ntwo [31mred'
    """
    if _UNWANTED.search(text) is None:
        return text
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNWANTED.sub("", _NEWLINE.sub("\n", text))


def scrub_all(value: Any) -> Any:
    r"""Return parsed JSON with every text in it scrubbed, keys too.

    >>> scrub_all({"detail": "a\x00b", "pages": [1, "\x07"]})
    {'detail': 'ab', 'pages': [1, '']}
    """
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [scrub_all(one) for one in value]
    if isinstance(value, dict):
        return {scrub(name): scrub_all(one) for name, one in value.items()}
    return value
