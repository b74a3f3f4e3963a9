"""Whether passages hold up a sentence, and which words of theirs do."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.query_api.generation.passages import Passage
from services.query_api.generation.quotes import quote_for
from shared.database.live_chunks import LiveChunk


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of a chunk's stored text that holds up a sentence."""

    passage: Passage
    chunk: LiveChunk
    quote: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of a sentence; one that `states` nothing needs no support."""

    states: bool
    supported: bool
    evidence: Sequence[Evidence] = ()


class Verifier:
    """Checks the sentences of one answer."""

    async def check(self, sentence: str, cited: Sequence[Passage]) -> Verdict:
        """Hold a sentence against the passages it names."""
        found = [Evidence(one, *quote_for(sentence, one.best_first)) for one in cited]
        return Verdict(True, bool(found), found)
