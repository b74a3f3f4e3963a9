"""The honest word that there is no answer: what was searched, how near it came, what would help."""

from dataclasses import replace

from services.query_api.generation.answers import Abstention, Answer, Question


def abstained(begun: Answer, why: Abstention, question: Question, floor: float) -> Answer:
    """Return the answer that says so."""
    text = f"{_found(why, question, begun.best_score, floor)} {_help(why, question)}"
    return replace(begun, text=text, abstained=why, confidence=0.0)


def _found(why: Abstention, question: Question, best: float | None, floor: float) -> str:
    where = f"the collection `{question.collection}`"
    if question.filters:
        where += ", within the filters,"
    match why:
        case Abstention.NOTHING_FOUND:
            return f"I found nothing about this in {where}.".replace(",.", ".")
        case Abstention.BELOW_THRESHOLD:
            return (
                f"I found nothing in {where} that is close enough to this question to answer it:"
                f" the best passage has a relevance of {best:.2f}, and {floor:.2f} is needed."
            )
        case Abstention.NOT_IN_PASSAGES:
            return f"The best passages of {where} do not answer this question.".replace(
                ", do", " do"
            )
        case Abstention.UNSUPPORTED:
            return "The model's answer is left out: the passages do not hold it up."


def _help(why: Abstention, question: Question) -> str:
    if why is Abstention.UNSUPPORTED:
        return "Search for the passages themselves, or ask more narrowly."
    ways = ["ask in the words the documents use"]
    if question.filters:
        ways.append("widen the filters")
    if why is Abstention.BELOW_THRESHOLD:
        ways.append("lower `score_threshold`")
    if why is Abstention.NOT_IN_PASSAGES:
        ways.append("raise `context_limit`")
    return f"It may help to {', or to '.join(ways)}."
