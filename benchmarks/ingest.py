"""Files a second and CPU seconds by part: `citewell ingest FOLDER` against a running stack.

    python benchmarks/ingest.py FOLDER --data DIR [--collection NAME]

DIR is the data folder of `citewell up`. CPU is what each part and its children used meanwhile, as
/proc counts it (the children that ended are counted in their parent).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the command: parent, then own and ended children's ticks.
PARENT, CPU = 1, slice(11, 15)


def read_processes() -> dict[int, tuple[int, float]]:
    """Return each process's parent and CPU seconds."""
    found: dict[int, tuple[int, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(folder.name)] = (int(fields[PARENT]), sum(map(int, fields[CPU])) / TICKS)
    return found


def cpu_by_part(pids: dict[str, int]) -> dict[str, float]:
    """Add up the CPU seconds of each part and its descendants."""
    processes = read_processes()
    part_of = {pid: name for name, pid in pids.items()}
    used: dict[str, float] = defaultdict(float)
    for pid, (_, seconds) in processes.items():
        ancestor = pid
        while ancestor and ancestor not in part_of:
            ancestor = processes.get(ancestor, (0, 0.0))[0]
        if ancestor:
            used[part_of[ancestor]] += seconds
    return used


def main() -> int:
    """Ingest the folder and print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--data", type=Path, required=True, help="data folder of `citewell up`")
    ask.add_argument("--collection", default="benchmark")
    options = ask.parse_args()
    ready = json.loads((options.data / "ready.json").read_text())
    files = sum(path.is_file() for path in options.folder.rglob("*"))
    before, start = cpu_by_part(ready["pids"]), time.monotonic()
    citewell = str(Path(sys.executable).with_name("citewell"))
    command = [citewell, "ingest", str(options.folder)]
    command += [
        "--collection",
        options.collection,
        "--url",
        ready["url"],
        "--key",
        ready["api_key"],
    ]
    code = subprocess.run(command, check=False).returncode
    seconds = time.monotonic() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    after = cpu_by_part(json.loads((options.data / "ready.json").read_text())["pids"])
    print(f"{files} files in {seconds:.1f} s: {files / seconds:.1f} files/s")
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    spent["client"] = used.ru_utime + used.ru_stime
    for name, cpu in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{name:10} {cpu:7.1f} CPU-s  {1000 * cpu / files:6.1f} ms a file")
    print(f"{'all':10} {sum(spent.values()):7.1f} CPU-s")
    return code


if __name__ == "__main__":
    sys.exit(main())
