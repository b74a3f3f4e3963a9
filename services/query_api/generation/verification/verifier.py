"""The check of one sentence against the passages its markers mean.

Words first, which takes a thousandth of a second; a model's word only where they do not tell.
"""

from collections.abc import Sequence

from services.query_api.generation.passages import Passage
from services.query_api.generation.verification.cases import Case
from services.query_api.generation.verification.checking import falsehood
from services.query_api.generation.verification.clauses import bare
from services.query_api.generation.verification.evidence import evidence
from services.query_api.generation.verification.grounds import Grounds
from services.query_api.generation.verification.meaning import Meaning
from services.query_api.generation.verification.names import names_of
from services.query_api.generation.verification.readings import Reading
from services.query_api.generation.verification.thresholds import LIMITS, WORDS
from services.query_api.generation.verification.verdicts import (
    NOTHING_TO_CHECK,
    Outcome,
    Reason,
    Verdict,
    unsupported,
)
from shared.embeddings.base import Embedder

# Of the passages a claim without markers may rest on, so many are looked at closely.
_MOST_LOOKED_AT = 3


class Verifier:
    """Checks the sentences of one answer; made once for its passages, which are read then."""

    def __init__(self, passages: Sequence[Passage], embedder: Embedder | None = None) -> None:
        """Take all passages of the question, and the local model if there is one."""
        self._passages = passages
        self._grounds = Grounds(passages)
        self._meaning = Meaning(embedder)

    async def check(self, sentence: str, cited: Sequence[Passage] = ()) -> Verdict:
        """Tell whether the cited passages together hold a sentence up.

        The sentence comes without markers. Without any passages all are looked through, and the
        one that holds it up is its evidence. A cited passage that adds nothing has no evidence.
        """
        claim = Reading(bare(sentence))
        if _says_nothing(claim):
            return NOTHING_TO_CHECK
        if cited:
            return await self._judged(Case.of(claim, cited, self._grounds))
        return await self._of_any(claim)

    async def _of_any(self, claim: Reading) -> Verdict:
        """Judge a claim that points nowhere by the passage that has most of it."""
        cases = [Case.of(claim, [one], self._grounds) for one in self._passages]
        cases.sort(key=lambda case: -WORDS.of(case.wording))
        verdicts: list[Verdict] = []
        for case in cases[:_MOST_LOOKED_AT]:
            verdicts.append(await self._judged(case))
            if verdicts[-1].supported:
                return verdicts[-1]
        return verdicts[0] if verdicts else unsupported(Reason.NO_PASSAGE)

    async def _judged(self, case: Case) -> Verdict:
        support = WORDS.of(case.wording)
        if not case.windows or support < LIMITS.hopeless:
            return unsupported(Reason.UNLIKE, support)
        if (why := falsehood(case)) is not None:
            return unsupported(why, support)
        if support < LIMITS.sure:
            meant = await self._meaning.support(case.wording, case.claim.text, case.texts)
            support = support if meant is None else meant
        if support < LIMITS.support:
            return unsupported(Reason.UNLIKE, support)
        return Verdict(Outcome.SUPPORTED, support, None, evidence(case))


def _says_nothing(claim: Reading) -> bool:
    if any(number.asked for number in claim.numbers):
        return False
    if claim.text.endswith(":"):
        return not any(name.sure for name in names_of(claim))
    return not claim.keys
