"""A Qdrant-compatible REST server over the engine's library, for machines without Qdrant.

`qdrant-client` comes in unmodified over HTTP, points go to one engine shard a collection under the
data folder. Start it with `python -m citewell.embedded.qdrant --data DIR --port N`.
"""
