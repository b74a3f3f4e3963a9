"""What a search costs beside its question's vector and the vector store's own answer.

    python benchmarks/search.py --data DIR [--chunks 100000] [--searches 300] [--seconds 20]

DIR is the data folder of `citewell up`, on this machine. Makes a collection of made-up texts,
unless it is there from an earlier run, and starts a query service of its own on a port of its own.
Each question is asked once of the service and once of the local model and Qdrant directly (the same
two lists, in one request), in turn first; no question comes twice, so no cache knows any. Prints
tables in Markdown: latency, CPU of the query process, many clients at once, filters.
"""

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from own_service import answering, cpu_s, query_service, surroundings_of
from qdrant_client import AsyncQdrantClient, models
from search_corpus import ATTRIBUTE, Prose, Target, fill, target_of

from shared.database.engine import build_database
from shared.embeddings.local import LocalEmbedder, local_folder
from shared.embeddings.spaces import embedding_space
from shared.embeddings.sparse import query_terms
from shared.settings import Settings, read_settings
from shared.vectors.build import build_vector_store

SPACE = "local/bge-small-en-v1.5"
DEPTH, CLIENTS, WARM_UP = 100, 16, 20
FILTERS: Mapping[str, dict[str, Any]] = {
    "none": {},
    "1 %": {ATTRIBUTE: {"lt": 1}},
    "50 %": {ATTRIBUTE: {"lt": 50}},
}


@dataclass(slots=True)
class Bench:
    """What the measurements stand on."""

    http: httpx.AsyncClient
    collection: str
    embedder: LocalEmbedder
    qdrant: AsyncQdrantClient
    target: Target
    pid: int
    prose: Prose = field(default_factory=lambda: Prose(int(time.time())))

    def question(self) -> str:
        """Return one that was never asked."""
        return self.prose.words(8)

    async def search(self, question: str, filters: Mapping[str, Any]) -> float:
        """Search as a client does; return seconds."""
        body = {"query": question, "collection": self.collection, "filters": filters}
        began = time.perf_counter()
        answer = await self.http.post("/v1/search", json=body)
        took = time.perf_counter() - began
        answer.raise_for_status()
        found = answer.json()
        if found.get("degraded") or len(found["hits"]) < 1:
            raise RuntimeError(f"This is no whole search: {found}")
        return took

    async def embed(self, question: str) -> list[float]:
        """Return a question's vector."""
        vector: list[float] = (await self.embedder.embed_query(question)).tolist()
        return vector

    async def raw(self, question: str, filters: Mapping[str, Any]) -> float:
        """Embed and ask Qdrant, nothing else; return seconds."""
        began = time.perf_counter()
        vector, terms = await self.embed(question), query_terms(question)
        sparse = models.SparseVector(indices=list(terms.indices), values=list(terms.values))
        wanted = _filter(self.target, filters)
        asked = {"filter": wanted, "limit": DEPTH, "with_payload": ["version_id"]}
        await self.qdrant.query_batch_points(
            f"citewell_{self.target.index_id.hex}",
            [
                models.QueryRequest(query=vector, using="dense", **asked),
                models.QueryRequest(query=sparse, using="terms", **asked),
            ],
        )
        return time.perf_counter() - began


def _filter(target: Target, filters: Mapping[str, Any]) -> models.Filter:
    tenant = models.MatchValue(value=target.tenant_id)
    must: list[models.Condition] = [models.FieldCondition(key="tenant_id", match=tenant)]
    for name, bounds in filters.items():
        must.append(models.FieldCondition(key=f"attributes.{name}", range=models.Range(**bounds)))
    return models.Filter(must=must)


def percentiles(seconds: list[float]) -> str:
    """Return the median and the 95th percentile in milliseconds, as two cells."""
    cuts = quantiles(seconds, n=20)
    return f"{cuts[9] * 1000:.1f} | {cuts[18] * 1000:.1f}"


async def side_by_side(bench: Bench, count: int) -> None:
    """Ask both ways in turn, with each filter."""
    print("\n| filter | way | p50 ms | p95 ms |\n|---|---|---|---|")
    for name, filters in FILTERS.items():
        took: dict[str, list[float]] = {"search": [], "raw": []}
        ways = {"search": bench.search, "raw": bench.raw}
        orders = cycle((("search", "raw"), ("raw", "search")))
        for _, order in zip(range(count), orders, strict=False):
            question = bench.question()
            for way in order:
                took[way].append(await ways[way](question, filters))
        for way, seconds in took.items():
            print(f"| {name} | {way} | {percentiles(seconds)} |", flush=True)


async def cpu(bench: Bench, count: int) -> None:
    """Tell what the query process spends, and what of it is the embedder's."""
    before = cpu_s(bench.pid)
    for _ in range(count):
        await bench.search(bench.question(), {})
    whole = (cpu_s(bench.pid) - before) / count
    before_own = time.process_time()
    for _ in range(count):
        await bench.embed(bench.question())
    embedder = (time.process_time() - before_own) / count
    print("\n| CPU of a search in the query process | ms |\n|---|---|")
    print(f"| all | {whole * 1000:.1f} |\n| its embedder, by itself | {embedder * 1000:.1f} |")
    print(f"| the rest | {(whole - embedder) * 1000:.1f} |", flush=True)


async def at_once(bench: Bench, seconds: float) -> None:
    """Let many clients search for some seconds."""
    took: list[float] = []
    errors: list[str] = []
    end = time.monotonic() + seconds

    async def client() -> None:
        while time.monotonic() < end:
            try:
                took.append(await bench.search(bench.question(), {}))
            except (httpx.HTTPError, RuntimeError) as error:
                errors.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    print("\n| clients | errors | searches/s | p50 ms | p95 ms |\n|---|---|---|---|---|")
    rate = len(took) / seconds
    print(f"| {CLIENTS} | {len(errors)} | {rate:.1f} | {percentiles(took)} |", flush=True)
    for error in sorted(set(errors))[:3]:
        print(error[:300])


@asynccontextmanager
async def bench_on(
    ready: Mapping[str, Any], settings: Settings, count: int
) -> AsyncIterator[Bench]:
    """Make the corpus, start the service and wait until it answers."""
    collection, space = f"bench-{count}", embedding_space(SPACE)
    database, store = build_database(settings.database), build_vector_store(settings.qdrant)
    key = {"Authorization": f"Bearer {ready['api_key']}"}
    async with httpx.AsyncClient(base_url=ready["url"], headers=key) as door:
        wanted = {"space": SPACE, "fields": {ATTRIBUTE: "number"}}
        (await door.put(f"/v1/collections/{collection}", json=wanted)).raise_for_status()
    target = await target_of(database, collection)
    if not await store.count(target.index_id):
        await fill(database, store, target, space, count)
    print(f"{await store.count(target.index_id)} chunks, {os.cpu_count()} cores", flush=True)
    own = LocalEmbedder(space, folder=local_folder, threads=settings.embedding.threads)
    qdrant = AsyncQdrantClient(url=settings.qdrant.url, api_key=_secret(settings))
    with query_service() as (service, pid):
        async with httpx.AsyncClient(base_url=service, headers=key, timeout=30) as http:
            await answering(http)
            yield Bench(http, collection, own, qdrant, target, pid)
    for part in (own, store, database):
        await part.aclose()
    await qdrant.close()


def _secret(settings: Settings) -> str | None:
    key = settings.qdrant.api_key
    return key.get_secret_value() if key else None


async def measure(given: argparse.Namespace, ready: Mapping[str, Any]) -> None:
    """Warm up, then measure everything."""
    async with bench_on(ready, read_settings(), given.chunks) as bench:
        for _ in range(WARM_UP):
            for filters in FILTERS.values():
                question = bench.question()
                await bench.search(question, filters)
                await bench.raw(question, filters)
        print(f"load before: {os.getloadavg()[0]:.1f}")
        await side_by_side(bench, given.searches)
        await cpu(bench, given.searches)
        await at_once(bench, given.seconds)
        print(f"\nload after: {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Take the stack's surroundings and measure."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="data folder of `citewell up`")
    ask.add_argument("--chunks", type=int, default=100_000)
    ask.add_argument("--searches", type=int, default=300)
    ask.add_argument("--seconds", type=float, default=20)
    given = ask.parse_args()
    ready = surroundings_of(given.data)
    asyncio.run(measure(given, ready))


if __name__ == "__main__":
    main()
