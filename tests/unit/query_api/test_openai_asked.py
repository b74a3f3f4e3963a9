"""A chat as a question: what of it counts."""

from services.query_api.generation.answers import LONGEST_TURN, MOST_HISTORY_CHARS, MOST_TURNS
from services.query_api.openai_compat.asked import question_of
from services.query_api.openai_compat.schemas import ChatRequest
from shared.auth.principal import Principal, Scope

CALLER = Principal("acme", "key:cw_1", frozenset({Scope.QUERY}))


def turns(*messages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the history of a chat."""
    told = [{"role": role, "content": content} for role, content in messages]
    body = ChatRequest.model_validate({"model": "citewell", "messages": told})
    return [(turn.role, turn.content) for turn in question_of(body, CALLER).history]


def test_what_was_said_before_the_question_is_its_history_in_order() -> None:
    said = [("user", "One?"), ("assistant", "1."), ("user", "Two?"), ("assistant", "2.")]
    assert turns(*said, ("user", "Three?")) == said
    assert turns(("system", "Be a pirate."), *said, ("user", "Three?"), ("assistant", "…")) == said
    assert turns(("assistant", "  "), ("user", "One?")) == []


def test_of_a_long_conversation_the_newest_counts() -> None:
    said = [("user", str(number)) for number in range(MOST_TURNS + 5)]
    assert turns(*said, ("user", "?")) == said[5:]
    long = [("user", letter * (LONGEST_TURN + 1)) for letter in "abcdef"]
    kept = turns(*long, ("user", "?"))
    assert [turn[1][0] for turn in kept] == list("cdef")
    assert {len(turn[1]) for turn in kept} == {LONGEST_TURN}
    assert sum(len(turn[1]) for turn in kept) == MOST_HISTORY_CHARS


def test_the_question_is_told_of_who_asks_and_of_the_model() -> None:
    told = [{"role": "user", "content": " Why? "}]
    asked = [
        question_of(ChatRequest.model_validate({"model": model, "messages": told}), CALLER)
        for model in ("citewell", "extractive")
    ]
    assert [one.model for one in asked] == [None, "extractive"]
    assert {(one.text, one.asked_by, one.collection) for one in asked} == {
        ("Why?", "key:cw_1", "default")
    }
