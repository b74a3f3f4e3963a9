"""What every chat model promises; the providers' over real HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from services.query_api.chat_models import backoff
from services.query_api.chat_models.anthropic import AnthropicChatModel
from services.query_api.chat_models.base import ChatModel, Completion, Message, Prompt
from services.query_api.chat_models.errors import AnswerUnusable, GenerationRefused
from services.query_api.chat_models.openai import OpenAIChatModel
from services.query_api.chat_models.scripted import ScriptedChatModel
from shared.errors import GenerationTimedOut, GenerationUnavailable
from tests.support.anthropic_provider import AnthropicProvider, start_anthropic
from tests.support.chatting import deadlines, said_by
from tests.support.provider import KEY, Manner, Provider, start_provider
from tests.support.waiting import until

PROMPT = Prompt([Message("system", "Be brief."), Message("user", "Why?")], temperature=0.1)


@dataclass(frozen=True, slots=True)
class Vendor:
    """A provider's stand-in, and how to make the adapter that speaks to it."""

    provider: Provider

    def model(self, *, timeout_s: float = 5, url: str | None = None) -> ChatModel:
        url = url or self.provider.url
        if isinstance(self.provider, AnthropicProvider):
            return AnthropicChatModel(
                model="a-model", api_key=KEY, base_url=url, max_tokens=500, timeout_s=timeout_s
            )
        return OpenAIChatModel(model="a-model", api_key=KEY, base_url=url, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Provider]]:
    with start_provider() as openai, start_anthropic() as anthropic:
        yield {"openai": openai, "anthropic": anthropic}


def behaving(provider: Provider) -> Vendor:
    provider.behave()
    provider.chat_text = "Because [1]."
    return Vendor(provider)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.01)


@pytest.fixture(params=["openai", "anthropic"])
def vendor(request: pytest.FixtureRequest, servers: dict[str, Provider]) -> Vendor:
    return behaving(servers[request.param])


@pytest.fixture
async def adapter(vendor: Vendor) -> AsyncIterator[ChatModel]:
    model = vendor.model()
    yield model
    await model.aclose()


@pytest.fixture
def anthropic(servers: dict[str, Provider]) -> AnthropicProvider:
    provider = servers["anthropic"]
    assert isinstance(provider, AnthropicProvider)
    behaving(provider)
    return provider


@pytest.fixture
async def claude(anthropic: AnthropicProvider) -> AsyncIterator[ChatModel]:
    model = Vendor(anthropic).model()
    yield model
    await model.aclose()


@pytest.fixture(params=["openai", "anthropic", "scripted"])
async def model(
    request: pytest.FixtureRequest, servers: dict[str, Provider]
) -> AsyncIterator[ChatModel]:
    if request.param == "scripted":
        yield ScriptedChatModel("Because [1].", name="a-model")
        return
    one = behaving(servers[request.param]).model()
    yield one
    await one.aclose()


def fresh() -> Prompt:
    """Return the prompt with nothing spent on it."""
    return Prompt(PROMPT.messages, PROMPT.temperature)


def spent(prompt: Prompt) -> tuple[str | None, int, int]:
    usage = prompt.spent.usage
    return usage.model, usage.prompt_tokens, usage.completion_tokens


async def test_a_prompt_is_completed_and_counted(model: ChatModel) -> None:
    prompt = fresh()
    completion = await said_by(model, prompt, total_s=5)
    assert (completion.text, completion.end) == ("Because [1].", Completion("a-model"))
    assert spent(prompt) == (model.name, 3, 2) == ("a-model", 3, 2)


async def test_a_prompt_may_name_its_model(model: ChatModel) -> None:
    prompt = Prompt(PROMPT.messages, temperature=0, model="another")
    assert (await said_by(model, prompt, total_s=5)).end.model == "another"


async def test_a_late_answer_has_timed_out(vendor: Vendor) -> None:
    vendor.provider.hang(2)
    slow = vendor.model()
    for model in (slow, ScriptedChatModel("late", delay_s=2)):
        with pytest.raises(GenerationTimedOut):
            await said_by(model, PROMPT, total_s=0.1)
    await slow.aclose()


async def test_one_slow_try_is_cut_short_too(vendor: Vendor) -> None:
    vendor.provider.hang(2, times=3)
    model = vendor.model(timeout_s=0.05)
    with pytest.raises(GenerationTimedOut):
        await said_by(model, PROMPT, total_s=1)
    await model.aclose()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
async def test_what_passes_is_tried_again(adapter: ChatModel, vendor: Vendor, status: int) -> None:
    vendor.provider.fail(status, times=2)
    assert (await said_by(adapter, PROMPT, total_s=5)).text == "Because [1]."
    assert len(vendor.provider.requests) == 3


async def test_a_failure_that_stays_is_unavailable(adapter: ChatModel, vendor: Vendor) -> None:
    vendor.provider.fail(500, times=9)
    with pytest.raises(GenerationUnavailable, match="500"):
        await said_by(adapter, PROMPT, total_s=5)
    assert len(vendor.provider.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_a_refusal_is_not_tried_again(
    adapter: ChatModel, vendor: Vendor, status: int
) -> None:
    vendor.provider.fail(status)
    with pytest.raises(GenerationRefused, match=str(status)):
        await said_by(adapter, PROMPT, total_s=5)
    assert len(vendor.provider.requests) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [("openai", "insufficient_quota"), ("anthropic", "enforced_spend_limit_reached")],
)
async def test_an_account_without_money_is_no_rate_limit(
    servers: dict[str, Provider], name: str, code: str
) -> None:
    vendor = behaving(servers[name])
    model = vendor.model()
    vendor.provider.fail(429, code=code)
    with pytest.raises(GenerationRefused):
        await said_by(model, PROMPT, total_s=5)
    assert len(vendor.provider.requests) == 1
    await model.aclose()


async def test_a_wrong_key_is_refused(vendor: Vendor) -> None:
    url = vendor.provider.url
    wrong: ChatModel = OpenAIChatModel(model="m", api_key="no", base_url=url, timeout_s=5)
    if isinstance(vendor.provider, AnthropicProvider):
        wrong = AnthropicChatModel(model="m", api_key="no", base_url=url, max_tokens=9, timeout_s=5)
    with pytest.raises(GenerationRefused, match="401"):
        await said_by(wrong, PROMPT, total_s=5)
    await wrong.aclose()


async def test_an_answer_without_any_choice_is_a_failure(
    adapter: ChatModel, vendor: Vendor
) -> None:
    vendor.provider.choices = 0
    with pytest.raises(GenerationUnavailable, match=r"broke off|empty"):
        await said_by(adapter, PROMPT, total_s=5)


async def test_a_blank_answer_is_unusable(adapter: ChatModel, vendor: Vendor) -> None:
    vendor.provider.chat_text = " \n"
    for model in (adapter, ScriptedChatModel(" ")):
        with pytest.raises(AnswerUnusable):
            await said_by(model, PROMPT, total_s=5)
    assert len(vendor.provider.requests) == 1


async def test_retry_after_is_obeyed(adapter: ChatModel, vendor: Vendor) -> None:
    vendor.provider.fail(429, retry_after_s=60)
    with pytest.raises(GenerationUnavailable) as caught:
        await said_by(adapter, PROMPT, total_s=5)
    assert caught.value.retry_after_s == 60
    assert len(vendor.provider.requests) == 1


async def test_a_provider_that_is_not_there_is_unavailable(vendor: Vendor) -> None:
    model = vendor.model(url="http://127.0.0.1:9/v1", timeout_s=1)
    with pytest.raises(GenerationUnavailable, match="fails"):
        await said_by(model, PROMPT, total_s=1)
    await model.aclose()


async def test_openai_is_sent_the_temperature(servers: dict[str, Provider]) -> None:
    vendor = behaving(servers["openai"])
    model = vendor.model()
    await said_by(model, PROMPT, total_s=5)
    assert vendor.provider.requests[0]["temperature"] == 0.1
    await model.aclose()


async def test_anthropic_is_sent_what_its_api_knows(
    claude: ChatModel, anthropic: AnthropicProvider
) -> None:
    turns = [*PROMPT.messages, Message("assistant", "Because."), Message("system", "In English.")]
    await said_by(claude, Prompt([*turns, Message("user", "Truly?")], 0.7), total_s=5)
    assert anthropic.requests == [
        {
            "model": "a-model",
            "max_tokens": 500,
            "stream": True,
            "system": "Be brief.\n\nIn English.",
            "messages": [
                {"role": "user", "content": "Why?"},
                {"role": "assistant", "content": "Because."},
                {"role": "user", "content": "Truly?"},
            ],
        }
    ]


async def test_without_a_system_message_none_is_sent(
    claude: ChatModel, anthropic: AnthropicProvider
) -> None:
    await said_by(claude, Prompt(PROMPT.messages[1:], 0), total_s=5)
    assert "system" not in anthropic.requests[0]


@pytest.mark.parametrize(("name", "ends"), [("openai", "content_filter"), ("anthropic", "refusal")])
async def test_a_model_that_declines_is_of_no_use(
    servers: dict[str, Provider], name: str, ends: str
) -> None:
    vendor = behaving(servers[name])
    vendor.provider.manner = Manner(ends=ends)
    model, prompt = vendor.model(), fresh()
    with pytest.raises(AnswerUnusable, match="declines"):
        await said_by(model, prompt)
    assert len(vendor.provider.requests) == 1
    assert spent(prompt) == ("a-model", 3, 2)
    await model.aclose()


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("openai", "length"),
        ("anthropic", "max_tokens"),
        ("anthropic", "model_context_window_exceeded"),
    ],
)
async def test_an_answer_that_is_cut_short_says_so(
    servers: dict[str, Provider], name: str, ends: str
) -> None:
    vendor = behaving(servers[name])
    vendor.provider.manner = Manner(ends=ends)
    model = vendor.model()
    assert (await said_by(model, PROMPT)).end.cut is True
    await model.aclose()


async def test_words_come_as_they_are_written(model: ChatModel) -> None:
    async with aclosing(model.stream(PROMPT, deadlines())) as written:
        pieces = [one async for one in written if isinstance(one, str)]
    assert len(pieces) == 2


async def test_a_model_that_falls_silent_has_timed_out(adapter: ChatModel, vendor: Vendor) -> None:
    vendor.provider.manner = Manner(hangs_at=1, hang_s=5)
    async with aclosing(adapter.stream(PROMPT, deadlines(stall_s=0.1))) as written:
        assert await anext(written) == "Because "
        with pytest.raises(GenerationTimedOut):
            await anext(written)


async def test_an_answer_that_breaks_off_is_a_failure_and_is_not_begun_again(
    adapter: ChatModel, vendor: Vendor
) -> None:
    vendor.provider.manner = Manner(breaks_at=1)
    async with aclosing(adapter.stream(PROMPT, deadlines())) as written:
        assert await anext(written) == "Because "
        with pytest.raises(GenerationUnavailable):
            await anext(written)
    assert len(vendor.provider.requests) == 1


async def test_one_that_breaks_off_before_its_first_word_is_begun_again(
    adapter: ChatModel, vendor: Vendor
) -> None:
    vendor.provider.manner = Manner(breaks_at=0)
    with pytest.raises(GenerationUnavailable):
        await said_by(adapter, PROMPT)
    assert len(vendor.provider.requests) == 3


async def test_who_leaves_ends_the_call_at_the_provider(adapter: ChatModel, vendor: Vendor) -> None:
    vendor.provider.manner = Manner(pause_s=0.05)
    vendor.provider.chat_text = "word " * 100
    async with aclosing(adapter.stream(PROMPT, deadlines())) as written:
        await anext(written)
    await until(lambda: vendor.provider.left == 1)


async def test_of_what_breaks_off_or_is_left_anthropic_has_told_what_was_sent(
    claude: ChatModel, anthropic: AnthropicProvider
) -> None:
    for manner in (Manner(breaks_at=1), Manner(pause_s=5)):
        anthropic.manner, prompt = manner, fresh()
        async with aclosing(claude.stream(prompt, deadlines())) as written:
            await anext(written)
        assert spent(prompt) == ("a-model", 3, 1)


async def test_each_try_that_was_counted_is(
    claude: ChatModel, anthropic: AnthropicProvider
) -> None:
    anthropic.manner, prompt = Manner(breaks_at=0), fresh()
    with pytest.raises(GenerationUnavailable):
        await said_by(claude, prompt)
    assert spent(prompt) == ("a-model", 3 * len(anthropic.requests), len(anthropic.requests))


async def test_an_empty_balance_says_so(claude: ChatModel, anthropic: AnthropicProvider) -> None:
    anthropic.fail(400)
    with pytest.raises(GenerationRefused, match="credit balance is too low"):
        await said_by(claude, PROMPT, total_s=5)


async def test_a_proxys_page_is_no_answer(claude: ChatModel, anthropic: AnthropicProvider) -> None:
    anthropic.page = "<html>Sign in</html>"
    with pytest.raises(GenerationUnavailable, match="broke off"):
        await said_by(claude, PROMPT, total_s=5)


@pytest.mark.parametrize(
    "event",
    [
        'message_start\ndata: {"type": "message_start"}',
        'message_start\ndata: {"type": "message_start", "message": {"model": "m"}}',
        'message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}',
        'content_block_delta\ndata: {"type": "content_block_delta", "index": 0}',
        "message_start\ndata: null",
    ],
)
async def test_events_of_another_form_are_no_answer(
    claude: ChatModel, anthropic: AnthropicProvider, event: str
) -> None:
    anthropic.page = f"event: {event}\n\n"
    with pytest.raises(GenerationUnavailable, match="something else"):
        await said_by(claude, PROMPT, total_s=5)


async def test_the_double_raises_what_it_is_told() -> None:
    with pytest.raises(GenerationUnavailable):
        await said_by(ScriptedChatModel(GenerationUnavailable()), PROMPT, total_s=1)
    echo = ScriptedChatModel(lambda prompt: prompt.messages[-1].content)
    assert (await said_by(echo, PROMPT, total_s=1)).text == "Why?"
    assert echo.prompts == [PROMPT]
    await echo.aclose()
