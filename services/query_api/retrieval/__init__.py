"""From a question to live hits: embed, search, drop what is not live, fuse, score."""
