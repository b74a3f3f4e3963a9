"""Sample documents of an invented company, and questions whose answers are known."""

from pathlib import Path

from pydantic import TypeAdapter

from shared.models import Value

_FOLDER = Path(__file__).parent

DOCUMENTS = _FOLDER / "documents"


class SampleQuestion(Value):
    """A question; `filename` and `page` say where its answer stands, None that it does nowhere."""

    question: str
    filename: str | None = None
    page: int | None = None
    # Words the answer must hold.
    fact: str | None = None

    @property
    def source(self) -> str | None:
        """The source line the answer must carry."""
        return f"[Source: {self.filename}, page {self.page}]" if self.filename else None


def questions() -> list[SampleQuestion]:
    """Return the questions in the order they are asked."""
    text = (_FOLDER / "questions.json").read_bytes()
    return TypeAdapter(list[SampleQuestion]).validate_json(text)
