"""Which provider answers, how long each may take, and what is said of it."""

import time

import pytest
from prometheus_client import REGISTRY

from services.query_api.chat_models.base import Discarded, Message, Prompt
from services.query_api.chat_models.errors import (
    AnswerUnusable,
    GenerationPaused,
    GenerationRefused,
)
from services.query_api.chat_models.fallback import FAIR_TRY_S, FallbackChatModel, Provider
from services.query_api.chat_models.scripted import Script, ScriptedChatModel
from shared.breaker import FAILURES, PAUSE_S
from shared.errors import CitewellError, GenerationTimedOut, GenerationUnavailable
from tests.support.chatting import deadlines, said_by
from tests.unit.query_api.clock import Clock

PROMPT = Prompt([Message("user", "Why?")], temperature=0.1)
BUDGET_S = 4 * FAIR_TRY_S


class Pair:
    """Two providers, `gpt` and then `claude`, on a clock of their own."""

    def __init__(self, first: Script = "From gpt.", second: Script = "From claude.") -> None:
        self.clock = Clock()
        self.first = ScriptedChatModel(first, name="gpt-test")
        self.second = ScriptedChatModel(second, name="claude-test")
        providers = [
            Provider("openai", self.first),
            Provider("anthropic", self.second, families=("claude",)),
        ]
        self.model = FallbackChatModel(providers, clock=self.clock)

    async def ask(self, model: str | None = None, budget_s: float = BUDGET_S) -> tuple[str, ...]:
        prompt = Prompt(PROMPT.messages, PROMPT.temperature, model)
        answer = await said_by(self.model, prompt, total_s=budget_s)
        return (answer.text, answer.end.model, answer.end.fallback or "")

    async def ask_in_vain(self, times: int, budget_s: float = BUDGET_S) -> None:
        for _ in range(times):
            with pytest.raises((GenerationUnavailable, GenerationTimedOut)):
                await self.ask(budget_s=budget_s)


def calls(provider: str, outcome: str) -> float:
    labels = {"provider": provider, "outcome": outcome}
    return REGISTRY.get_sample_value("citewell_chat_calls_total", labels) or 0


async def test_the_first_provider_answers_and_no_fallback_is_told() -> None:
    pair = Pair()
    before = calls("openai", "answered")
    assert await pair.ask() == ("From gpt.", "gpt-test", "")
    assert pair.second.prompts == []
    assert pair.model.name == "gpt-test"
    assert calls("openai", "answered") == before + 1


@pytest.mark.parametrize(
    "failure",
    [GenerationUnavailable(), GenerationTimedOut(), GenerationRefused(), AnswerUnusable()],
)
async def test_the_next_provider_answers_and_is_named(failure: CitewellError) -> None:
    pair = Pair(failure)
    before = calls("openai", failure.code)
    assert await pair.ask() == ("From claude.", "claude-test", "anthropic")
    assert calls("openai", failure.code) == before + 1


async def test_what_is_no_failure_of_a_provider_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await Pair(ZeroDivisionError()).ask()


async def test_when_all_fail_the_last_failure_is_kept() -> None:
    with pytest.raises(GenerationTimedOut):
        await Pair(GenerationUnavailable(), GenerationTimedOut()).ask()


async def test_a_slow_provider_leaves_the_next_its_share() -> None:
    pair = Pair()
    pair.first.delay_s = 0.3
    pair.second.delay_s = 0.05
    assert (await pair.ask(budget_s=0.4))[2] == "anthropic"


async def test_both_together_take_no_longer_than_the_budget() -> None:
    slow = [Provider(name, ScriptedChatModel("Late.", delay_s=0.3)) for name in ("a", "b")]
    began = time.monotonic()
    with pytest.raises(GenerationTimedOut):
        await said_by(FallbackChatModel(slow), PROMPT, total_s=0.4)
    assert 0.35 < time.monotonic() - began < 0.55


async def test_a_fast_failure_passes_its_time_on() -> None:
    pair = Pair(GenerationUnavailable())
    pair.second.delay_s = 0.15
    assert (await pair.ask(budget_s=0.2))[2] == "anthropic"


async def test_an_only_provider_has_the_whole_budget() -> None:
    alone = ScriptedChatModel("Late but good.", delay_s=0.15)
    model = FallbackChatModel([Provider("openai", alone)])
    assert (await said_by(model, PROMPT, total_s=0.2)).text == "Late but good."


async def test_a_provider_that_keeps_failing_is_skipped_and_asked_again_later() -> None:
    pair = Pair(GenerationTimedOut())
    for _ in range(FAILURES + 2):
        assert (await pair.ask())[2] == "anthropic"
    assert len(pair.first.prompts) == FAILURES
    pair.clock.now += PAUSE_S
    pair.first.script = "Back again."
    assert await pair.ask() == ("Back again.", "gpt-test", "")
    assert (await pair.ask())[2] == ""


async def test_a_skipped_provider_leaves_its_share_to_the_others() -> None:
    pair = Pair(GenerationUnavailable())
    for _ in range(FAILURES):
        await pair.ask()
    pair.second.delay_s = 0.15
    assert (await pair.ask(budget_s=0.2))[2] == "anthropic"


async def test_when_all_are_skipped_nobody_is_asked() -> None:
    pair = Pair(GenerationUnavailable(), GenerationRefused())
    await pair.ask_in_vain(FAILURES)
    before = calls("anthropic", "skipped")
    pair.clock.now += 10
    for model in (None, "claude-test"):
        with pytest.raises(GenerationPaused, match="left alone") as caught:
            await pair.ask(model)
        assert caught.value.retry_after_s == PAUSE_S - 10
    assert len(pair.first.prompts) == len(pair.second.prompts) == FAILURES
    assert calls("anthropic", "skipped") == before + 2


async def test_an_answer_nobody_can_use_is_no_reason_to_skip_a_provider() -> None:
    pair = Pair(AnswerUnusable())
    for _ in range(FAILURES + 1):
        await pair.ask()
    assert len(pair.first.prompts) == FAILURES + 1


async def test_a_time_out_of_a_budget_already_spent_is_no_reason_to_skip_a_provider() -> None:
    pair = Pair(GenerationTimedOut(), GenerationTimedOut())
    await pair.ask_in_vain(FAILURES + 1, budget_s=FAIR_TRY_S)
    assert len(pair.first.prompts) == FAILURES + 1


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("gpt-test", "From gpt."),
        ("gpt-9", "From gpt."),
        ("llama", "From gpt."),
        ("claude-test", "From claude."),
        ("claude-opus-9", "From claude."),
    ],
)
async def test_a_named_model_is_asked_of_who_has_it(model: str, text: str) -> None:
    assert await Pair().ask(model) == (text, model, "")


async def test_another_vendors_model_is_not_asked_of_anthropic_though_it_is_first() -> None:
    pair = Pair()
    reversed_order = FallbackChatModel(list(reversed(pair.model._providers)))  # noqa: SLF001
    prompt = Prompt(PROMPT.messages, 0, "gpt-9")
    assert (await said_by(reversed_order, prompt, total_s=1)).text == "From gpt."


async def test_a_gateways_own_claude_stays_with_the_gateway() -> None:
    gateway = ScriptedChatModel("From the gateway.", name="claude-test")
    anthropic = ScriptedChatModel("From Anthropic.", name="claude-other")
    model = FallbackChatModel(
        [Provider("anthropic", anthropic, families=("claude",)), Provider("openai", gateway)]
    )
    prompt = Prompt(PROMPT.messages, 0, "claude-test")
    assert (await said_by(model, prompt, total_s=1)).text == "From the gateway."


async def test_without_a_better_one_the_first_is_asked_for_any_name() -> None:
    claude = ScriptedChatModel("From claude.", name="claude-test")
    model = FallbackChatModel([Provider("anthropic", claude, families=("claude",))])
    prompt = Prompt(PROMPT.messages, 0, "gpt-9")
    assert (await said_by(model, prompt, total_s=1)).end.model == "gpt-9"


async def test_a_named_models_failure_is_the_answer_and_closes_no_provider_to_others() -> None:
    pair = Pair(GenerationRefused())
    for _ in range(FAILURES):
        with pytest.raises(GenerationRefused):
            await pair.ask("gpt-9")
    pair.first.script = "From gpt."
    assert (await pair.ask())[0] == "From gpt."
    await pair.model.aclose()


async def test_a_configured_model_asked_for_by_name_is_told_to_its_breaker() -> None:
    pair = Pair(GenerationUnavailable())
    for _ in range(FAILURES):
        with pytest.raises(GenerationUnavailable):
            await pair.ask("gpt-test")
    with pytest.raises(GenerationPaused):
        await pair.ask("gpt-test")
    assert len(pair.first.prompts) == FAILURES
    assert (await pair.ask())[2] == "anthropic"


async def test_what_a_provider_wrote_before_it_failed_is_discarded() -> None:
    failure = GenerationUnavailable("Cut.")
    pair = Pair(("From ", failure))
    written = [one async for one in pair.model.stream(PROMPT, deadlines())]
    assert written[:2] == ["From", " "]
    assert written[2] == Discarded(failure)
    assert "".join(one for one in written[3:] if isinstance(one, str)) == "From claude."


async def test_a_slow_writer_that_has_begun_is_not_cut_at_its_share() -> None:
    pair = Pair(("From ", "gpt."))
    pair.first.pause_s = 0.15
    assert (await pair.ask(budget_s=0.4))[0] == "From gpt."
