"""How an answer comes about from what was found; retrieval itself is tested with real stores."""

import re
from dataclasses import replace
from typing import Any

import pytest

from services.query_api.chat_models.base import ChatModel, Prompt
from services.query_api.chat_models.scripted import ScriptedChatModel
from services.query_api.generation.answering import Answerer
from services.query_api.generation.answers import (
    NOT_IN_PASSAGES,
    Abstention,
    Answer,
    Question,
    Retrieved,
)
from services.query_api.generation.composing import Composer
from services.query_api.generation.conversation import Conversation
from services.query_api.generation.verification.verifier import Verifier
from services.query_api.rerank.reranker import build_reranker
from services.query_api.retrieval.hits import Found, Hit
from services.query_api.retrieval.results import ResultCache
from services.query_api.retrieval.search import Retriever
from services.query_api.retrieval.stopwatch import Stopwatch
from shared.database.engine import build_database
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.spaces import FAKE
from shared.errors import GenerationTimedOut, GenerationUnavailable, InvalidInput
from shared.identity import new_id
from shared.settings import DatabaseSettings, QuerySettings
from shared.settings_answers import AnswerSettings
from shared.settings_rerank import RerankSettings
from shared.vectors.memory import MemoryVectorStore
from tests.unit.query_api.hits import make_hit

LEAVE = "Staff have 26 days of vacation. Parental leave is 16 weeks."


def answerer(model: ChatModel | None, **settings: Any) -> Answerer:
    database = build_database(DatabaseSettings(url="postgresql://nowhere/none"))
    retriever = Retriever(
        database=database,
        vectors=MemoryVectorStore(),
        embedder_of=lambda _: HashingEmbedder(FAKE),
        results=ResultCache(database, max_bytes=0, ttl_s=1),
        reranker=build_reranker(RerankSettings()),
        depth=10,
    )
    answers = AnswerSettings(**settings)
    composer = Composer(
        chat_model=model,
        check_of=lambda passages: Verifier(passages).check,
        settings=QuerySettings(),
        answers=answers,
    )
    return Answerer(
        retriever=retriever,
        conversation=Conversation(model, budget_s=1),
        chat_model=model,
        composer=composer,
        context_tokens=answers.context_tokens,
    )


def question(
    *, model: str | None = None, threshold: float | None = None, temperature: float | None = None
) -> Question:
    return Question(
        answer_id=new_id(),
        tenant_id="acme",
        text="How long is parental leave?",
        model=model,
        score_threshold=threshold,
        temperature=temperature,
    )


async def write(
    model: ChatModel | None, *hits: Hit, asked: Question | None = None, floor: float = 0.4
) -> Answer:
    found = Found(hits, floor, ("embedder",), {"embed": 1.0})
    return await answerer(model).write(Retrieved(asked or question(), found, Stopwatch()))


async def test_a_models_markers_become_citations() -> None:
    model = ScriptedChatModel("It is 16 weeks [1].")
    hit = make_hit(LEAVE, filename="hr.pdf", page=7, score=0.8)
    answer = await write(model, hit)
    assert answer.text == "It is 16 weeks [Source: hr.pdf, page 7]."
    assert answer.sources == ["[Source: hr.pdf, page 7]"]
    assert [claim.quote for claim in answer.claims] == ["Parental leave is 16 weeks."]
    assert (answer.model, answer.fallback, answer.abstained) == ("scripted", None, None)
    assert 0.5 < answer.confidence < 1
    assert answer.usage.completion_tokens == 5
    assert answer.degraded == ("embedder",)
    assert {"embed", "generate", "total"} <= set(answer.timings)


async def test_below_the_floor_no_model_is_asked() -> None:
    model = ScriptedChatModel("I know it anyway.")
    answer = await write(model, make_hit(LEAVE, score=0.2))
    assert answer.abstained is Abstention.BELOW_THRESHOLD
    assert (answer.confidence, answer.sources) == (0, ())
    assert answer.best_score == 0.2
    assert re.search(r"0\.20.*0\.40", answer.text)
    assert model.prompts == []


async def test_nothing_found_is_said_so() -> None:
    answer = await write(None)
    assert (answer.abstained, answer.best_score) == (Abstention.NOTHING_FOUND, None)


async def test_the_asker_may_set_the_threshold() -> None:
    answer = await write(None, make_hit(LEAVE, score=0.2), asked=question(threshold=0.1))
    assert not answer.abstained
    answer = await write(None, make_hit(LEAVE, score=0.5), asked=question(threshold=0.9))
    assert answer.abstained


async def test_a_model_that_finds_no_answer_abstains() -> None:
    answer = await write(ScriptedChatModel(NOT_IN_PASSAGES), make_hit(LEAVE))
    assert answer.abstained
    assert NOT_IN_PASSAGES not in answer.text


async def test_without_a_provider_answers_are_extracts() -> None:
    answer = await write(None, make_hit(LEAVE, filename="hr.pdf"))
    assert answer.text.startswith("Parental leave is 16 weeks. [Source: hr.pdf, page 1]")
    assert (answer.model, answer.fallback) == ("extractive", "extractive")


async def test_an_extract_that_finds_nothing_abstains() -> None:
    assert (await write(None, make_hit("Dogs are welcome."))).abstained


@pytest.mark.parametrize("failure", [GenerationUnavailable(), GenerationTimedOut()])
async def test_a_provider_that_fails_is_replaced_by_an_extract(failure: Exception) -> None:
    answer = await write(ScriptedChatModel(failure), make_hit(LEAVE))
    assert (answer.model, answer.fallback) == ("extractive", "extractive")


async def test_an_empty_answer_is_a_failure() -> None:
    assert (await write(ScriptedChatModel(" "), make_hit(LEAVE))).fallback == "extractive"


async def test_a_model_that_was_asked_for_by_name_is_not_replaced() -> None:
    model = ScriptedChatModel(GenerationUnavailable())
    with pytest.raises(GenerationUnavailable):
        await write(model, make_hit(LEAVE), asked=question(model="gpt-9"))


async def test_the_extract_may_be_asked_for() -> None:
    model = ScriptedChatModel("Never asked.")
    answer = await write(model, make_hit(LEAVE), asked=question(model="extractive"))
    assert (answer.model, model.prompts) == ("extractive", [])


async def test_naming_a_model_without_a_provider_is_refused() -> None:
    with pytest.raises(InvalidInput, match="extractive"):
        await answerer(None).retrieve(question(model="gpt-9"))


async def test_the_temperature_is_low_unless_asked_otherwise() -> None:
    seen: list[float] = []

    def tell(prompt: Prompt) -> str:
        seen.append(prompt.temperature)
        return "It is 16 weeks [1]."

    await write(ScriptedChatModel(tell), make_hit(LEAVE))
    await write(ScriptedChatModel(tell), make_hit(LEAVE), asked=question(temperature=0.7))
    assert seen == [0.1, 0.7]


async def test_passages_without_room_in_the_prompt_are_left_out_and_it_is_said() -> None:
    model = ScriptedChatModel("It is 16 weeks [1].")
    hits = (make_hit(LEAVE), make_hit("word " * 600, filename="long.txt", score=0.8))
    found = Found(hits, 0.4, (), {})
    asked = Retrieved(question(), found, Stopwatch())
    answer = await answerer(model, context_tokens=500).write(asked)
    assert answer.degraded == ("context",)
    assert "word word" not in model.prompts[0].messages[-1].content


async def test_an_abstention_says_what_was_searched_and_what_may_help() -> None:
    asked = replace(question(), filters={"year": 2020}, collection="papers")
    answer = await write(None, make_hit(LEAVE, score=0.2), asked=asked)
    for word in ("`papers`", "filters", "0.20", "0.40", "widen the filters", "`score_threshold`"):
        assert word in answer.text
