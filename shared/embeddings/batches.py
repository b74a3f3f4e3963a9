"""Texts packed for a model on this machine: alike in length, bounded in tokens."""

from collections.abc import Iterator, Sequence

# A batch is padded to its longest text; 8,192 tokens keep a run of bge-small within 120 MB.
MAX_BATCH_TOKENS = 8192


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
