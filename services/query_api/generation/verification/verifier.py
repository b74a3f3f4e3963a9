"""The check of one sentence against the passages its markers mean.

Words first, which takes a thousandth of a second; a model's word only where they do not tell.
"""

from collections.abc import Sequence

from services.query_api.generation.passages import Passage
from services.query_api.generation.quotes import shortened
from services.query_api.generation.verification.checking import Case, wrong_figure
from services.query_api.generation.verification.clauses import bare, clauses_of
from services.query_api.generation.verification.grounds import Grounds, Source
from services.query_api.generation.verification.meaning import Meaning
from services.query_api.generation.verification.names import names_of
from services.query_api.generation.verification.polarity import contradict
from services.query_api.generation.verification.readings import Reading
from services.query_api.generation.verification.thresholds import LIMITS
from services.query_api.generation.verification.verdicts import (
    NOTHING_TO_CHECK,
    Evidence,
    Outcome,
    Reason,
    Verdict,
    unsupported,
)
from services.query_api.generation.verification.windows import Wanted, windows_of
from shared.embeddings.base import Embedder


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
            return await self._of_these(claim, cited)
        verdicts = [await self._of_these(claim, [one]) for one in self._passages]
        return max(
            verdicts,
            key=lambda one: (one.supported, one.support),
            default=unsupported(Reason.NO_PASSAGE),
        )

    async def _of_these(self, claim: Reading, cited: Sequence[Passage]) -> Verdict:
        pool = self._grounds.holding(cited)
        wanted = Wanted.by(claim, self._grounds)
        windows = windows_of(wanted, pool, self._grounds)
        case = Case(claim, pool, windows, self._grounds)
        keys = self._keys(case)
        support = wanted.share(keys)
        why = self._why(case, support)
        if why is None and not await self._is_meant(case, keys, support):
            why = Reason.UNLIKE
        if why is not None:
            return unsupported(why, support)
        return Verdict(Outcome.SUPPORTED, support, None, _evidence(case))

    def _keys(self, case: Case) -> frozenset[str]:
        heads = (head.keys for head in case.heads)
        return frozenset[str]().union(*(window.keys for window in case.windows), *heads)

    def _why(self, case: Case, support: float) -> Reason | None:
        if not case.windows or support < LIMITS.least:
            return Reason.UNLIKE
        if (why := wrong_figure(case)) is not None:
            return why
        core = case.windows[0].core
        rest = " ".join(one.reading.text for one in case.near)
        if contradict(case.claim, core.reading, rest):
            return Reason.NEGATED
        return None

    async def _is_meant(self, case: Case, keys: frozenset[str], support: float) -> bool:
        texts = [_joined(window.around) for window in case.windows]
        if support < LIMITS.enough:
            alike = await self._meaning.alike(case.claim.text, texts)
            if alike is False or (alike is None and support < LIMITS.middle):
                return False
        for clause in clauses_of(case.claim.text):
            if Wanted.by(clause, self._grounds).share(keys) < LIMITS.clause:
                return False
        return True


def _says_nothing(claim: Reading) -> bool:
    if any(number.asked for number in claim.numbers):
        return False
    if claim.text.endswith(":"):
        return not any(name.sure for name in names_of(claim))
    return not claim.keys


def _joined(sources: Sequence[Source]) -> str:
    return " ".join(one.reading.text for one in sources)


def _evidence(case: Case) -> list[Evidence]:
    found: dict[int, Evidence] = {}
    for window in case.windows:
        core = window.core
        end = core.start + len(shortened(core.chunk.text[core.start : core.end]))
        found.setdefault(core.passage.number, Evidence(core.passage, core.chunk, core.start, end))
    return list(found.values())
