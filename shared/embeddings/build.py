"""Where a space's embedder is made; the concretes are named here and nowhere else."""

from shared.embeddings.base import Embedder
from shared.embeddings.fake import HashingEmbedder
from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.openai import OpenAIEmbedder
from shared.errors import EmbeddingUnauthorized
from shared.models import EmbeddingSpace
from shared.settings import OpenAISettings, Settings

OPENAI_URL = "https://api.openai.com/v1"


def build_embedder(space: EmbeddingSpace, settings: Settings) -> Embedder:
    """Return the embedder of a space; a model is read and a connection opened on first use.

    Raises:
        EmbeddingUnauthorized: the space is OpenAI's and no key is set.
    """
    if space.provider == "local":
        embedding = settings.embedding
        return LocalEmbedder(
            space, folder=lambda: local_folder(embedding), threads=embedding.threads
        )
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
