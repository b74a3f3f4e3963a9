"""Builds the blob store that the settings name."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.blobs.folder import FolderBlobStore
from shared.blobs.listed import ListedBlobStore
from shared.blobs.obstore import build_s3
from shared.errors import ConfigurationInvalid
from shared.settings import BlobSettings


def build_blob_store(settings: BlobSettings) -> ListedBlobStore:
    """Build the store at `settings.url`; nothing is touched before its first use.

    Raises:
        ConfigurationInvalid: the URL is empty or of another kind than `file:` or `s3:`.
    """
    url = urlsplit(settings.url)
    if url.scheme == "file" and url.netloc in ("", "localhost") and len(url.path) > 1:
        return FolderBlobStore(Path(unquote(url.path)))
    if url.scheme == "s3" and url.netloc:
        return build_s3(settings, bucket=url.netloc, prefix=url.path.strip("/"))
    raise ConfigurationInvalid(
        "CITEWELL_BLOBS_URL must be `file:///folder` or `s3://bucket/prefix`;"
        f" it is {settings.url!r}."
    )
