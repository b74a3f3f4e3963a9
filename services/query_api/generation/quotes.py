"""How much of a span is quoted."""

# Longer spans (a table without full stops) are cut at a word's end; what is left is still exact.
MAX_QUOTE_CHARS = 400


def shortened(span: str, most: int = MAX_QUOTE_CHARS) -> str:
    """Return the span, or its beginning up to the last whole word that fits."""
    if len(span) <= most:
        return span
    cut = span.rfind(" ", 0, most + 1)
    return span[: cut if cut > 0 else most].rstrip()
