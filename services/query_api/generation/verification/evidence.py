"""The spans that hold a claim up: one of each cited passage that has something of it."""

from services.query_api.generation.passages import Passage
from services.query_api.generation.quotes import shortened
from services.query_api.generation.verification.cases import Case
from services.query_api.generation.verification.grounds import Source
from services.query_api.generation.verification.verdicts import Evidence

# Of a passage that adds nothing to the others: what it must have of the claim by itself.
LEAST_ALONE = 0.5


def evidence(case: Case) -> list[Evidence]:
    """Return the spans, those first that hold most of it; a passage without any has none."""
    found = {window.core.passage.number: window.core for window in reversed(case.windows)}
    found = dict(reversed(found.items()))
    for passage in case.cited:
        if passage.number not in found and (core := _alone(case, passage)):
            found[passage.number] = core
    return [_span(core) for core in found.values()]


def _alone(case: Case, passage: Passage) -> Source | None:
    """Return the sentence of a passage that says by itself what others say too."""
    alone = Case.of(case.claim, [passage], case.grounds)
    if not alone.windows or alone.wording.share < LEAST_ALONE:
        return None
    return alone.windows[0].core


def _span(core: Source) -> Evidence:
    length = len(shortened(core.chunk.text[core.start : core.end]))
    return Evidence(core.passage, core.chunk, core.start, core.start + length)
