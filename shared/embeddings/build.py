"""Where a space's embedder is made; the concretes are named here and nowhere else."""

from collections.abc import Callable

from shared.embeddings.base import Embedder
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.openai import OpenAIEmbedder
from shared.embeddings.spaces import embedding_space
from shared.errors import EmbeddingUnauthorized
from shared.models import EmbeddingSpace
from shared.settings import Settings
from shared.settings_providers import OpenAISettings

OPENAI_URL = "https://api.openai.com/v1"


def build_embedder(
    space: EmbeddingSpace, settings: Settings, *, threads: int | None = None
) -> Embedder:
    """Return the embedder of a space; a model is read and a connection opened on first use.

    `threads` are those of a model on this machine; None means as many as the settings say.

    Raises:
        EmbeddingUnauthorized: the space is OpenAI's and no key is set.
    """
    folder, threads = space.folder, threads or settings.embedding.threads
    if folder is not None:
        return LocalEmbedder(space, folder=lambda: folder, threads=threads)
    if space.provider == "local":
        return LocalEmbedder(space, folder=local_folder, threads=threads)
    if space.provider == "fake":
        return HashingEmbedder(space)
    return OpenAIEmbedder(
        space,
        api_key=_api_key(space, settings.openai),
        base_url=settings.openai.base_url,
        timeout_s=settings.openai.timeout_s,
    )


def _api_key(space: EmbeddingSpace, settings: OpenAISettings) -> str:
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    if settings.base_url.rstrip("/") == OPENAI_URL:
        raise EmbeddingUnauthorized(
            f"`{space.name}` needs CITEWELL_OPENAI_API_KEY; `local/…` spaces need no key."
        )
    # A server of one's own often asks for no key, but the SDK insists on one.
    return "none"


class Embedders:
    """The embedders of a process: one for each space, made when it is first asked for."""

    def __init__(
        self,
        settings: Settings,
        *,
        wrap: Callable[[Embedder], Embedder] | None = None,
        threads: int | None = None,
    ) -> None:
        """Take the settings, and a wrapper (such as `CachedEmbedder`) to put around each.

        `threads` are those of a model on this machine; None means as many as the settings say.
        """
        self._settings = settings
        self._threads = threads
        self._wrap = wrap
        self._made: dict[str, Embedder] = {}

    def of(self, space: str) -> Embedder:
        """Return the embedder of the space of this name.

        Raises:
            InvalidInput: there is no such space.
            EmbeddingUnauthorized: the space is OpenAI's and no key is set.
            EmbeddingMisconfigured: the space's folder is gone or holds another model.
        """
        if space not in self._made:
            known = embedding_space(space, self._settings.embedding.model_dirs)
            embedder = build_embedder(known, self._settings, threads=self._threads)
            self._made[space] = self._wrap(embedder) if self._wrap else embedder
        return self._made[space]

    async def aclose(self) -> None:
        """Close every embedder."""
        for embedder in self._made.values():
            await embedder.aclose()
        self._made.clear()
