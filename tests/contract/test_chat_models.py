"""What every chat model promises; OpenAI's over real HTTP."""

from collections.abc import AsyncIterator, Iterator

import pytest

from services.query_api.chat_models import backoff
from services.query_api.chat_models.base import ChatModel, Message, Prompt
from services.query_api.chat_models.build import build_chat_model
from services.query_api.chat_models.openai import GenerationRefused, OpenAIChatModel
from services.query_api.chat_models.scripted import ScriptedChatModel
from shared.errors import GenerationTimedOut, GenerationUnavailable
from shared.settings import OpenAISettings
from tests.support.provider import KEY, Provider, start_provider

PROMPT = Prompt([Message("system", "Be brief."), Message("user", "Why?")], temperature=0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with start_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.01)
    server.behave()
    server.chat_text = "Because [1]."
    return server


@pytest.fixture
async def openai(provider: Provider) -> AsyncIterator[OpenAIChatModel]:
    model = OpenAIChatModel(model="gpt-test", api_key=KEY, base_url=provider.url, timeout_s=5)
    yield model
    await model.aclose()


@pytest.fixture(params=["openai", "scripted"])
def model(request: pytest.FixtureRequest, openai: OpenAIChatModel) -> ChatModel:
    scripted = ScriptedChatModel("Because [1].", name="gpt-test")
    return openai if request.param == "openai" else scripted


async def test_a_prompt_is_completed_and_counted(model: ChatModel) -> None:
    completion = await model.complete(PROMPT, budget_s=5)
    assert (completion.text, completion.model) == ("Because [1].", "gpt-test")
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, 2)
    assert model.name == "gpt-test"


async def test_a_prompt_may_name_its_model(model: ChatModel) -> None:
    prompt = Prompt(PROMPT.messages, temperature=0, model="gpt-other")
    assert (await model.complete(prompt, budget_s=5)).model == "gpt-other"


async def test_a_late_answer_has_timed_out(provider: Provider) -> None:
    provider.hang(2)
    slow = OpenAIChatModel(model="gpt-test", api_key=KEY, base_url=provider.url, timeout_s=5)
    for model in (slow, ScriptedChatModel("late", delay_s=2)):
        with pytest.raises(GenerationTimedOut):
            await model.complete(PROMPT, budget_s=0.1)
    await slow.aclose()


async def test_one_slow_try_is_cut_short_too(provider: Provider) -> None:
    provider.hang(2, times=3)
    model = OpenAIChatModel(model="gpt-test", api_key=KEY, base_url=provider.url, timeout_s=0.05)
    with pytest.raises(GenerationTimedOut):
        await model.complete(PROMPT, budget_s=1)
    await model.aclose()


async def test_the_temperature_is_sent(openai: OpenAIChatModel, provider: Provider) -> None:
    await openai.complete(PROMPT, budget_s=5)
    assert provider.requests[0]["temperature"] == 0.1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_is_tried_again(
    openai: OpenAIChatModel, provider: Provider, status: int
) -> None:
    provider.fail(status, times=2)
    assert (await openai.complete(PROMPT, budget_s=5)).text == "Because [1]."
    assert len(provider.requests) == 3


async def test_a_failure_that_stays_is_unavailable(
    openai: OpenAIChatModel, provider: Provider
) -> None:
    provider.fail(500, times=9)
    with pytest.raises(GenerationUnavailable, match="500"):
        await openai.complete(PROMPT, budget_s=5)
    assert len(provider.requests) == 3


@pytest.mark.parametrize(
    ("status", "code"), [(400, None), (401, None), (404, None), (429, "insufficient_quota")]
)
async def test_a_refusal_is_not_tried_again(
    openai: OpenAIChatModel, provider: Provider, status: int, code: str | None
) -> None:
    provider.fail(status, code=code)
    with pytest.raises(GenerationRefused):
        await openai.complete(PROMPT, budget_s=5)
    assert len(provider.requests) == 1


async def test_an_answer_without_any_choice_is_a_failure(
    openai: OpenAIChatModel, provider: Provider
) -> None:
    provider.choices = 0
    with pytest.raises(GenerationUnavailable, match="no answer"):
        await openai.complete(PROMPT, budget_s=5)


async def test_retry_after_is_obeyed(openai: OpenAIChatModel, provider: Provider) -> None:
    provider.fail(429, retry_after_s=60)
    with pytest.raises(GenerationUnavailable) as caught:
        await openai.complete(PROMPT, budget_s=5)
    assert caught.value.retry_after_s == 60
    assert len(provider.requests) == 1


async def test_a_provider_that_is_not_there_is_unavailable() -> None:
    model = OpenAIChatModel(
        model="gpt-test", api_key=KEY, base_url="http://127.0.0.1:9/v1", timeout_s=1
    )
    with pytest.raises(GenerationUnavailable):
        await model.complete(PROMPT, budget_s=1)
    await model.aclose()


async def test_the_double_raises_what_it_is_told() -> None:
    with pytest.raises(GenerationUnavailable):
        await ScriptedChatModel(GenerationUnavailable()).complete(PROMPT, budget_s=1)
    echo = ScriptedChatModel(lambda prompt: prompt.messages[-1].content)
    assert (await echo.complete(PROMPT, budget_s=1)).text == "Why?"
    assert echo.prompts == [PROMPT]
    await echo.aclose()


def test_without_a_key_there_is_no_model() -> None:
    assert build_chat_model(OpenAISettings(api_key=None)) is None
    own = OpenAISettings(api_key=None, base_url="http://127.0.0.1:1/v1", chat_model="mine")
    built = build_chat_model(own)
    assert built is not None
    assert built.name == "mine"
