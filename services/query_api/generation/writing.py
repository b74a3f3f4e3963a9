"""An answer in the making: takes what a model writes, gives what may be shown of it."""

from collections.abc import Sequence

from services.query_api.chat_models.base import Completion, Discarded, Written
from services.query_api.generation.answers import NOT_IN_PASSAGES, UNSUPPORTED
from services.query_api.generation.drafting import Draft, Said
from services.query_api.generation.passages import Claim, Passage
from services.query_api.generation.verification.verdicts import Check, Outcome, Verdict


class Writing:
    """Lets a sentence out once it was checked, with the sources that hold it up.

    What the passages do not support is left out, or marked where `marks_unsupported`. A sentence
    that states nothing waits for the next one that is let out, and goes with it.
    """

    def __init__(
        self, passages: Sequence[Passage], check: Check, *, whole: bool, marks: bool
    ) -> None:
        """Begin; `whole`: nothing is shown before the end, so that another model may begin anew."""
        self._passages = {one.number: one for one in passages}
        self._check = check
        self._whole = whole
        self._marks = marks
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what came so far."""
        self._draft = Draft()
        self._waiting = ""
        self.text = ""
        self.claims: dict[tuple[int, str], Claim] = {}
        self.verdicts: list[Verdict] = []
        self.completion: Completion | None = None
        self.finds_nothing = False

    async def add(self, written: Written) -> str:
        """Return what may be shown now; often nothing.

        Raises:
            GenerationUnavailable, GenerationTimedOut: the model failed when part of its answer was
                shown already.
        """
        if isinstance(written, Discarded):
            if self.text and not self._whole:
                raise written.error
            self.begin_anew()
            return ""
        return "".join([await self._checked(one) for one in self._sentences(written)])

    def _sentences(self, written: str | Completion) -> list[Said]:
        if isinstance(written, str):
            return self._draft.add(written)
        self.completion = written
        # Of an answer that was cut short the last sentence is but a half.
        return [] if written.cut else self._draft.end()

    async def _checked(self, said: Said) -> str:
        if NOT_IN_PASSAGES in said.text:
            self.finds_nothing = True
            return ""
        named = [self._passages[one] for one in said.numbers if one in self._passages]
        verdict = await self._check(said.text, named)
        if verdict.outcome is Outcome.NOTHING_TO_CHECK:
            self._waiting += said.lead + said.text
            return ""
        self.verdicts.append(verdict)
        if verdict.supported:
            return self._shown(said.lead, self._cited(said, verdict))
        return self._shown(said.lead, f"{said.text} {UNSUPPORTED}") if self._marks else ""

    def _shown(self, lead: str, text: str) -> str:
        new = self._waiting + lead + text
        self._waiting = ""
        if not self.text:
            new = new.lstrip()
        self.text += new
        return new

    def _cited(self, said: Said, verdict: Verdict) -> str:
        claims = [
            Claim(one.passage, one.chunk, said.text, one.quote, one.start)
            for one in verdict.evidence
        ]
        for claim in claims:
            self.claims.setdefault((claim.passage.number, claim.quote), claim)
        return _with_sources(said, claims)


def _with_sources(said: Said, claims: Sequence[Claim]) -> str:
    """Put sources where the markers stood; what has no marker has them before its last stop."""
    left = {claim.passage.number: claim.source for claim in claims}
    pieces: list[str] = []
    at = 0
    for mark in said.marks:
        sources = [left.pop(one) for one in mark.numbers if one in left]
        if sources:
            pieces += [said.text[at : mark.at], mark.blank or " ", " ".join(sources)]
            at = mark.at
    if left:
        end = max(at, len(said.text.rstrip(".!?\u3002\uff01\uff1f")))
        pieces += [said.text[at:end], " ", " ".join(left.values())]
        at = end
    return "".join([*pieces, said.text[at:]])
