"""Elements in, chunks out: sections first, sentences and rows inside, sizes in a space's tokens."""
