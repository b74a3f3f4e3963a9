"""Citewell's whole stack over HTTP against peers in one process, interleaved, on the same files.

    python benchmarks/compare_ingest.py FOLDER [--peers PYTHON] [--rounds 3]
                                        [--base-ms 0] [--per-input-ms 0]

PYTHON has what the scripts in `peers/` name; without it Citewell runs alone. Each round starts a
new stack, so that nothing is cached; its start is not counted. The peers keep nothing: no job, no
index, nothing to go on with after a crash.
"""

import argparse
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

HERE = Path(__file__).parent
RATE = re.compile(r"([\d.]+) files/s$", re.MULTILINE)
START_S = 120


@contextmanager
def running(*command: str) -> Iterator[None]:
    """Run a process and end it afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(ready: Path | str) -> None:
    """Return when a file is there or a URL answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if isinstance(ready, Path) and ready.is_file():
            return
        if isinstance(ready, str) and _answers(ready):
            return
        time.sleep(0.2)
    raise TimeoutError(f"{ready} is not there.")


def _answers(url: str) -> bool:
    body = json.dumps({"input": "a"}).encode()
    try:
        with urlopen(url, body, timeout=1):  # noqa: S310 - our own provider
            return True
    except URLError:
        return False


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_citewell(folder: Path, provider: str) -> str:
    """Load the folder into a new stack; return the table of `ingest.py`."""
    with TemporaryDirectory(prefix="citewell-bench-") as scratch:
        data = Path(scratch) / "data"
        given = ("CITEWELL_OPENAI_API_KEY=x", f"CITEWELL_OPENAI_BASE_URL={provider}")
        citewell = str(Path(sys.executable).with_name("citewell"))
        with running("env", *given, citewell, "up", "--data", str(data), "--port", "0"):
            wait_for(data / "ready.json")
            load = [sys.executable, str(HERE / "ingest.py"), str(folder), "--data", str(data)]
            return subprocess.run(load, check=True, capture_output=True, text=True).stdout


def run_peer(python: str, name: str, folder: Path, provider: str) -> str:
    """Run one of `peers/`; return what it prints."""
    command = [python, str(HERE / "peers" / f"{name}.py"), str(folder), provider]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Run the rounds and print each figure, then medians and ratios."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--peers", help="a Python that has the peers")
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--base-ms", default="0")
    ask.add_argument("--per-input-ms", default="0")
    options = ask.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    delays = (options.base_ms, options.per_input_ms)
    peers = ("llamaindex", "langchain") if options.peers else ()
    rates: dict[str, list[float]] = {name: [] for name in ("citewell", *peers)}
    with running(sys.executable, str(HERE / "provider.py"), str(port), *delays):
        wait_for(f"{url}/embeddings")
        for number in range(options.rounds):
            for name, found in rates.items():
                if name == "citewell":
                    printed = run_citewell(options.folder, url)
                    print(printed[printed.rindex("files in") - 10 :])
                else:
                    printed = run_peer(options.peers, name, options.folder, url)
                found.append(float(RATE.findall(printed)[-1]))
                print(f"round {number + 1} {name:10} {found[-1]:7.1f} files/s", flush=True)
    ours = median(rates["citewell"])
    for name, found in rates.items():
        print(
            f"{name:10} median {median(found):7.1f} files/s  citewell/it {ours / median(found):.2f}"
        )


if __name__ == "__main__":
    main()
