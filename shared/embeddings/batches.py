"""Texts packed for a model on this machine: alike in length, bounded in tokens."""

from collections.abc import Iterator, Sequence

# A batch is padded to its longest text. Measured on bge-small, 96 texts of 300 tokens, two cores:
# 8,192 tokens a run take 3.3 s and 633 MB, 2,048 take 2.5 s and 330 MB, 512 take 1.9 s and 198 MB.
MAX_BATCH_TOKENS = 512


def by_length(lengths: Sequence[int], most: int = MAX_BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield positions in batches whose padded size (texts x longest) is at most `most`.

    Longest first, so that memory is highest at once and padding is least. A text that is longer
    than `most` makes a batch of its own.
    """
    batch: list[int] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if batch and (len(batch) + 1) * longest > most:
            yield batch
            batch = []
        if not batch:
            longest = lengths[position]
        batch.append(position)
    if batch:
        yield batch
