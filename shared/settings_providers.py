"""The settings of those who are paid for their models: keys, addresses, limits."""

from pydantic import Field, SecretStr

from shared.settings_group import SettingsGroup, group_config


class OpenAISettings(SettingsGroup):
    """OpenAI, or any server that speaks its API."""

    model_config = group_config("OPENAI")

    api_key: SecretStr | None = Field(
        default=None,
        description="API key; without it the local model embeds, and answers are extracts unless another provider has one.",
    )
    base_url: str = Field(default="https://api.openai.com/v1", description="Base URL of the API.")
    chat_model: str = Field(default="gpt-4o-mini", description="Model that writes answers.")
    requests_per_minute: int = Field(
        default=0,
        ge=0,
        description="Most embedding requests a minute, of all workers; 0: as the provider's headers say.",
    )
    tokens_per_minute: int = Field(
        default=0,
        ge=0,
        description="Most embedded tokens a minute, of all workers; 0: as the provider's headers say.",
    )
    timeout_s: float = Field(default=30.0, gt=0, description="Longest wait for one call, seconds.")


class AnthropicSettings(SettingsGroup):
    """Anthropic, which writes answers but embeds nothing."""

    model_config = group_config("ANTHROPIC")

    api_key: SecretStr | None = Field(
        default=None, description="API key; with it Anthropic's models write answers."
    )
    base_url: str = Field(
        default="https://api.anthropic.com",
        description="Base URL of the API, without `/v1`; another one needs no key.",
    )
    chat_model: str = Field(
        default="claude-haiku-5-5",
        description="Model that writes answers; `claude-sonnet-5-5` writes better, more slowly and at a higher price.",
    )
    max_tokens: int = Field(
        default=4096,
        ge=256,
        le=20_000,
        description="Most tokens of one answer, the model's thinking included; one that is cut short is not used.",
    )
    timeout_s: float = Field(default=30.0, gt=0, description="Longest wait for one call, seconds.")
