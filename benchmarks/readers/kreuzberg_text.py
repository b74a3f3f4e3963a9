"""kreuzberg's text, its cache off."""

from collections.abc import Iterator

import kreuzberg
from timing import run


def read(path: str) -> Iterator[str]:
    """Yield each page's text."""
    settings = kreuzberg.ExtractionConfig(
        use_cache=False, pages=kreuzberg.PageConfig(extract_pages=True)
    )
    for page in kreuzberg.extract_file_sync(path, config=settings).pages:
        yield page["content"] if isinstance(page, dict) else page.content


run(read)
