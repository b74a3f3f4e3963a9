"""Optimises one shard in a process of its own: `python compaction.py FOLDER`.

The engine holds the interpreter's lock until it is done, which may take minutes, so this never
runs in the server.
"""

import sys

import qdrant_edge as edge


def compact(folder: str) -> None:
    """Merge segments, drop deleted points and build the graphs of a shard nobody else has open."""
    shard = edge.EdgeShard.load(folder)
    shard.optimize()
    shard.close()


if __name__ == "__main__":
    compact(sys.argv[1])
