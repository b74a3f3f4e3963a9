"""What every reader script does: read one PDF, print pages, CPU seconds, peak memory and words.

A reader is a function from a path to its pages' texts; its imports and start are not counted.
"""

import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

WORD = re.compile(r"\w+")


def run(read: Callable[[str], Iterable[str]]) -> None:
    """Read the file named on the command line; write its words to the file named second."""
    words: Counter[str] = Counter()
    start = time.process_time()
    pages = list(read(sys.argv[1]))
    seconds = time.process_time() - start
    for page in pages:
        words.update(WORD.findall(page.casefold()))
    Path(sys.argv[2]).write_text(json.dumps(words), encoding="utf-8")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"pages": len(pages), "seconds": seconds, "peak_mb": round(peak)}))
