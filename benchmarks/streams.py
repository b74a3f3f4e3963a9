"""How soon a verified sentence is let out, with many streams at once on one query process.

    python benchmarks/streams.py --data DIR [--streams 50] [--rounds 5] [--beside FOLDER]

DIR is the data folder of `citewell up`, on this machine. Uploads a document for each stream, unless
they are there from an earlier run; starts chat_provider.py and a query service of its own, and asks
one question a stream, all at once, in rounds. A sentence's time is from the moment the provider had
sent its last token until its text was read here. With `--beside` as many rounds more run while the
stack loads that folder, its ingest side at a lower priority.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from own_service import answering, cpu_s, memory_mib, query_service, surroundings_of

from citewell.client import AsyncClient, File
from citewell.embedded.parts import free_port

COLLECTION, SENTENCES, LOWER, MS_A_TOKEN = "streams", 12, 19, 30
INGEST = ("gateway", "parse", "embed", "beat", "flower")
PARTS = (
    *("carried 14 crates of tea and arrived in the harbour on the third day of May",),
    *("was repaired by the yard of Harmsen after a storm had broken her foremast",),
    *("took on water, salted beef and 230 barrels of flour before leaving the coast",),
    *("met two fishing boats near the northern lighthouse and exchanged letters",),
)
_NUMBER = re.compile(r"entry ([\d-]+),")


@dataclass(slots=True)
class Round:
    """What one round of streams told."""

    read: dict[str, float] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)


def document(stream: int) -> str:
    """Return a document whose sentences are numbered, so that each is known again."""
    name = f"Ship{stream:03}"
    lines = [
        f"Entry {stream}-{at}: {name} {PARTS[at % len(PARTS)]}." for at in range(1, SENTENCES + 1)
    ]
    return f"# The log of {name}\n\n" + " ".join(lines)


async def load(url: str, key: str, streams: int, folder: Path) -> None:
    """Upload what is asked about; the same again is no work."""
    paths = [folder / f"ship{stream:03}.md" for stream in range(streams)]
    for stream, path in enumerate(paths):
        path.write_text(document(stream))
    async with AsyncClient(url, key=key) as client:
        await client.put_collection(COLLECTION, space="local/bge-small-en-v1.5")
        batch = await client.upload([File(p.name, p) for p in paths], collection=COLLECTION)
        await client.wait_batch(batch.batch_id, limit_s=300)


async def stream(http: httpx.AsyncClient, number: int, told: Round) -> None:
    """Ask about one ship, and note when each sentence came."""
    body: dict[str, Any] = {
        "question": f"What does the log of Ship{number:03} tell?",
        "collection": COLLECTION,
    }
    body |= {"stream": True, "score_threshold": 0, "context_limit": 3}
    name = "cut"
    async with http.stream("POST", "/v1/query", json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == "token":
                text = json.loads(line.removeprefix("data: "))["text"]
                told.read.update((one, time.monotonic()) for one in _NUMBER.findall(text))
    told.ended.append(name)


async def one_round(http: httpx.AsyncClient, provider: str, streams: int) -> list[float]:
    """Run all streams at once; return the delays of their sentences in milliseconds."""
    told = Round()
    await asyncio.gather(*(stream(http, number, told) for number in range(streams)))
    async with httpx.AsyncClient(base_url=provider) as asked:
        written: dict[str, float] = (await asked.get("/written")).json()
    ends = {name: told.ended.count(name) for name in set(told.ended)}
    delays = [1000 * (told.read[one] - written[one]) for one in told.read if one in written]
    print(f"  ends {ends}, sentences {len(delays)} of {len(written)}", flush=True)
    return delays


@contextmanager
def provider() -> Iterator[str]:
    """Start the chat provider; yield its address."""
    port = free_port()
    script = Path(__file__).with_name("chat_provider.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(port), str(MS_A_TOKEN)], start_new_session=True
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def load_beside(folder: Path, ready: Mapping[str, Any], name: str) -> Iterator[None]:
    """Load a folder into the stack meanwhile; all of its ingest side has a lower priority."""
    for pid in _with_children(ready["pids"][part] for part in INGEST):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), LOWER)
        # Where the kernel groups processes by session, priorities count only within a group.
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():
            group.write_text(str(LOWER))
    command = ["nice", "-n", str(LOWER), str(Path(sys.executable).with_name("citewell"))]
    command += ["ingest", str(folder), "--collection", name]
    command += ["--url", ready["url"], "--key", ready["api_key"]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        print(f"  the load beside was {'over' if process.poll() is not None else 'going on'}")
        process.terminate()
        process.wait()


def _with_children(pids: Iterable[int]) -> set[int]:
    found, last = set(pids), 0
    while len(found) > last:
        last = len(found)
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in found:
                found.add(int(folder.name))
    return found


def told(name: str, delays: list[float]) -> None:
    """Print one row."""
    cuts = quantiles(delays, n=20)
    print(f"| {name} | {len(delays)} | {cuts[9]:.1f} | {cuts[18]:.1f} | {max(delays):.1f} |")


async def measure(given: argparse.Namespace, ready: Mapping[str, Any]) -> None:
    """Warm up, then run the rounds."""
    given.folder.mkdir(exist_ok=True)
    await load(ready["url"], ready["api_key"], given.streams, given.folder)
    key = {"Authorization": f"Bearer {ready['api_key']}"}
    limits = httpx.Limits(max_connections=given.streams)
    delays: dict[str, list[float]] = {"alone": [], "beside a load": []}
    with provider() as chat:
        environment = {"CITEWELL_OPENAI_BASE_URL": f"{chat}/v1", "CITEWELL_OPENAI_API_KEY": "none"}
        environment |= {"CITEWELL_QUERY_REQUEST_TIMEOUT_S": "120"}
        with query_service(**environment) as (service, pid):
            async with httpx.AsyncClient(
                base_url=service, headers=key, timeout=120, limits=limits
            ) as http:
                await answering(http)
                await one_round(http, chat, given.streams)
                print(f"load {os.getloadavg()[0]:.1f}, {memory_mib(pid):.0f} MiB")
                for at in range(given.rounds):
                    spent = cpu_s(pid)
                    delays["alone"] += await one_round(http, chat, given.streams)
                    spent = cpu_s(pid) - spent
                    print(f"round {at}: {spent:.1f} CPU-s, {memory_mib(pid):.0f} MiB", flush=True)
                if given.beside:
                    with load_beside(given.beside, ready, f"beside-{time.time_ns()}"):
                        for _ in range(given.rounds):
                            delays["beside a load"] += await one_round(http, chat, given.streams)
    print(f"load {os.getloadavg()[0]:.1f}\n\n| | sentences | p50 ms | p95 ms | most |")
    print("|---|---|---|---|---|")
    for name, some in delays.items():
        if some:
            told(name, some)


def main() -> None:
    """Take the stack's surroundings and measure."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="data folder of `citewell up`")
    ask.add_argument("--streams", type=int, default=50)
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--beside", type=Path, help="a folder to load meanwhile")
    ask.add_argument("--folder", type=Path, default=Path("/tmp/citewell-streams"))  # noqa: S108
    given = ask.parse_args()
    asyncio.run(measure(given, surroundings_of(given.data)))


if __name__ == "__main__":
    main()
