"""pypdfium2's text of each page, without boxes: the reference words."""

from collections.abc import Iterator

import pypdfium2
from timing import run


def read(path: str) -> Iterator[str]:
    """Yield each page's text."""
    document = pypdfium2.PdfDocument(path)
    for at in range(len(document)):
        page = document[at]
        text = page.get_textpage()
        yield text.get_text_bounded()
        text.close()
        page.close()


run(read)
