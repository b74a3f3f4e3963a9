"""What becomes of a model's text, given the passages it was shown."""

from collections.abc import Sequence

from services.query_api.chat_models.base import Completion
from services.query_api.generation.passages import Cited, Passage
from services.query_api.generation.verification.verifier import Verifier
from services.query_api.generation.writing import Writing


async def cited(said: str, passages: Sequence[Passage], *, marks: bool = False) -> Cited:
    """Return the text that is let out, and its claims."""
    writing = Writing(passages, Verifier(passages).check, whole=True, marks=marks)
    for one in (said, Completion("a-model")):
        await writing.add(one)
    return Cited(writing.text, list(writing.claims.values()))
