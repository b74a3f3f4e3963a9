"""Where the chat model is made; the concretes are named here and nowhere else."""

from collections.abc import Callable, Sequence
from functools import partial

from pydantic import SecretStr

from services.query_api.chat_models.anthropic import AnthropicChatModel
from services.query_api.chat_models.fallback import FallbackChatModel, Provider
from services.query_api.chat_models.openai import OpenAIChatModel
from shared.embeddings.build import OPENAI_URL
from shared.errors import ConfigurationInvalid
from shared.settings import ProviderName
from shared.settings_providers import AnthropicSettings, OpenAISettings

ANTHROPIC_URL = "https://api.anthropic.com"


def build_chat_model(
    *, openai: OpenAISettings, anthropic: AnthropicSettings, order: Sequence[ProviderName] = ()
) -> FallbackChatModel | None:
    """Return the providers in order, or None where none is configured: answers are then extracts.

    A key, or a base URL other than the vendor's own, configures one; no `order` means all of
    those, OpenAI first.

    Raises:
        ConfigurationInvalid: `order` names a provider that is not configured.
    """
    makers: dict[ProviderName, Callable[[], Provider]] = {}
    if openai.api_key or openai.base_url.rstrip("/") != OPENAI_URL:
        makers["openai"] = partial(_openai, openai)
    if anthropic.api_key or anthropic.base_url.rstrip("/") != ANTHROPIC_URL:
        makers["anthropic"] = partial(_anthropic, anthropic)
    for name in order:
        if name not in makers:
            raise ConfigurationInvalid(
                f"CITEWELL_QUERY_PROVIDERS names `{name}`, but CITEWELL_{name.upper()}_API_KEY"
                " is not set."
            )
    providers = [makers[name]() for name in order or makers]
    return FallbackChatModel(providers) if providers else None


def _openai(settings: OpenAISettings) -> Provider:
    chat_model = OpenAIChatModel(
        model=settings.chat_model,
        api_key=_key(settings.api_key),
        base_url=settings.base_url,
        timeout_s=settings.timeout_s,
    )
    return Provider("openai", chat_model)


def _anthropic(settings: AnthropicSettings) -> Provider:
    chat_model = AnthropicChatModel(
        model=settings.chat_model,
        api_key=_key(settings.api_key),
        base_url=settings.base_url,
        max_tokens=settings.max_tokens,
        timeout_s=settings.timeout_s,
    )
    return Provider("anthropic", chat_model, families=("claude",))


def _key(key: SecretStr | None) -> str:
    # A server of one's own often asks for no key, but the SDKs insist on one.
    return key.get_secret_value() if key else "none"
