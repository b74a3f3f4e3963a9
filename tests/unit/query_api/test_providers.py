"""Which providers the settings make, in which order, and what is refused at the start."""

from collections.abc import Sequence

import pytest
from pydantic import SecretStr, ValidationError

from services.query_api.chat_models.base import ChatModel
from services.query_api.chat_models.build import build_chat_model
from services.query_api.chat_models.fallback import FallbackChatModel
from shared.errors import ConfigurationInvalid
from shared.settings import ProviderName, QuerySettings, read_settings
from shared.settings_providers import AnthropicSettings, OpenAISettings

KEY = SecretStr("sk-x")


def build(
    *, openai: bool = False, anthropic: bool = False, order: Sequence[ProviderName] = ()
) -> ChatModel | None:
    return build_chat_model(
        openai=OpenAISettings(api_key=KEY if openai else None),
        anthropic=AnthropicSettings(api_key=KEY if anthropic else None),
        order=order,
    )


def names(model: ChatModel | None) -> list[str]:
    assert isinstance(model, FallbackChatModel)
    return [one.name for one in model._providers]  # noqa: SLF001


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITEWELL_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    monkeypatch.setenv("CITEWELL_AUTH_SECRET", "a secret of more than thirty-two characters")


def test_without_a_key_there_is_no_model() -> None:
    assert build() is None


def test_a_server_of_ones_own_needs_no_key() -> None:
    own = "http://127.0.0.1:1"
    model = build_chat_model(
        openai=OpenAISettings(api_key=None, base_url=own, chat_model="mine"),
        anthropic=AnthropicSettings(api_key=None, base_url=own),
    )
    assert names(model) == ["openai", "anthropic"]
    assert model is not None
    assert model.name == "mine"


def test_unless_told_otherwise_openai_is_first() -> None:
    assert names(build(openai=True, anthropic=True)) == ["openai", "anthropic"]
    assert names(build(anthropic=True)) == ["anthropic"]


def test_the_order_is_the_settings() -> None:
    assert names(build(openai=True, anthropic=True, order=["anthropic", "openai"])) == [
        "anthropic",
        "openai",
    ]
    assert names(build(openai=True, anthropic=True, order=["anthropic"])) == ["anthropic"]


def test_a_named_provider_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match="CITEWELL_ANTHROPIC_API_KEY"):
        build(openai=True, order=["openai", "anthropic"])


def test_the_order_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITEWELL_QUERY_PROVIDERS", " Anthropic, openai,")
    assert read_settings().query.providers == ("anthropic", "openai")
    monkeypatch.delenv("CITEWELL_QUERY_PROVIDERS")
    assert read_settings().query.providers == ()


@pytest.mark.parametrize(
    ("value", "why"), [("openai,mistral", "'openai' or 'anthropic'"), ("openai,openai", "twice")]
)
def test_a_wrong_order_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    monkeypatch.setenv("CITEWELL_QUERY_PROVIDERS", value)
    with pytest.raises(ConfigurationInvalid, match=rf"^CITEWELL_QUERY_PROVIDERS: .*{why}"):
        read_settings()


def test_an_order_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ValidationError):
        QuerySettings.model_validate({"providers": 5})
