"""Where the chat model is made; the concretes are named here and nowhere else."""

from services.query_api.chat_models.base import ChatModel
from services.query_api.chat_models.openai import OpenAIChatModel
from shared.embeddings.build import OPENAI_URL
from shared.settings import OpenAISettings


def build_chat_model(settings: OpenAISettings) -> ChatModel | None:
    """Return the configured chat model, or None: answers are then extracts.

    A key, or a base URL other than OpenAI's own, configures one.
    """
    if settings.api_key is None and settings.base_url.rstrip("/") == OPENAI_URL:
        return None
    return OpenAIChatModel(
        model=settings.chat_model,
        api_key=settings.api_key.get_secret_value() if settings.api_key else "none",
        base_url=settings.base_url,
        timeout_s=settings.timeout_s,
    )
