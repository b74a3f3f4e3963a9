"""Where a space's budget is made: one for each provider key, none for models on this machine."""

import structlog

from services.ingest_worker.embedding.budget import Budget, LocalBudget, NoLimit, Quota
from services.ingest_worker.embedding.redis_budget import RedisBudget, budget_name
from shared.embeddings.spaces import embedding_space
from shared.errors import ConfigurationInvalid
from shared.models import EmbeddingSpace
from shared.settings import Settings

log = structlog.get_logger(__name__)


class Budgets:
    """The budgets of a process: one for each key, model and address."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing connects yet."""
        self._settings = settings
        self._made: dict[str, Budget] = {}

    def of(self, space: str) -> Budget:
        """Return the budget of a space's key; providers limit each model by itself."""
        known = embedding_space(space, self._settings.embedding.model_dirs)
        key = f"{known.provider}/{known.model}"
        if key not in self._made:
            self._made[key] = self._build(known)
        return self._made[key]

    async def aclose(self) -> None:
        """Close every connection."""
        for budget in self._made.values():
            await budget.aclose()
        self._made.clear()

    def _build(self, space: EmbeddingSpace) -> Budget:
        if space.provider != "openai":
            return NoLimit()
        openai = self._settings.openai
        quota = Quota(openai.requests_per_minute, openai.tokens_per_minute)
        secret = openai.api_key.get_secret_value() if openai.api_key else ""
        name = budget_name(secret, openai.base_url, space.model)
        try:
            return RedisBudget(self._settings.redis.url, name, quota)
        except ConfigurationInvalid as error:
            # Celery knows addresses, of sentinels for one, that the plain client does not.
            log.warning("budget_not_shared", detail=error.detail)
            return LocalBudget(quota)
