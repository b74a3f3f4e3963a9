"""Folders with a model, as an operator would bring one along: the wheel's under another name."""

import json
import shutil
from pathlib import Path
from typing import Any

from shared.embeddings import spaces
from shared.embeddings.spaces import LOCAL
from shared.model_folders import DESCRIPTION, read_folder
from shared.weights import weights_folder

BGE = {
    "pooling": "cls",
    "dimensions": 384,
    "window": 512,
    "query_prefix": LOCAL.query_prefix,
}


def model_folder(path: Path, source: Path | None = None, **described: Any) -> Path:
    """Copy a model and its tokenizer, and describe it as bge unless told otherwise."""
    path.mkdir(exist_ok=True)
    for name in ("model.onnx", "tokenizer.json"):
        shutil.copy((source or weights_folder()) / name, path)
    (path / DESCRIPTION).write_text(json.dumps({**BGE, **described}), encoding="utf-8")
    return path


def forget_folders() -> None:
    """Read folders anew, as a process does that starts."""
    read_folder.cache_clear()
    spaces.own_space.cache_clear()
