"""LangChain's loaders over a folder, in one process: read, split, embed; nothing is kept.

    PEER_PYTHON benchmarks/peers/langchain.py FOLDER PROVIDER_URL

PEER_PYTHON has langchain-community, langchain-openai, langchain-text-splitters, pypdf, docx2txt.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_community.document_loaders import (
    BSHTMLLoader,
    CSVLoader,
    Docx2txtLoader,
    PyPDFLoader,
    TextLoader,
)
from langchain_openai import OpenAIEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

LOADERS: dict[str, Callable[[str], Any]] = {
    ".pdf": PyPDFLoader,
    ".docx": Docx2txtLoader,
    ".csv": CSVLoader,
    ".html": lambda path: BSHTMLLoader(path, bs_kwargs={"features": "html.parser"}),
}


def main(folder: str, provider: str) -> None:
    """Ingest the folder; print files, chunks and seconds."""
    embed = OpenAIEmbeddings(
        model="text-embedding-3-small",
        api_key="x",
        base_url=provider,
        chunk_size=128,
        check_embedding_ctx_length=False,
    )
    splitter = RecursiveCharacterTextSplitter(chunk_size=4000, chunk_overlap=320)
    start = time.monotonic()
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    paths = [path for path in paths if path.name != "manifest.csv"]
    loaders = [LOADERS.get(path.suffix, TextLoader)(str(path)) for path in paths]
    documents = [document for loader in loaders for document in loader.load()]
    chunks = splitter.split_documents(documents)
    embed.embed_documents([chunk.page_content for chunk in chunks])
    seconds = time.monotonic() - start
    rate = len(paths) / seconds
    print(f"{len(paths)} files, {len(chunks)} chunks in {seconds:.1f} s: {rate:.1f} files/s")


if __name__ == "__main__":
    main(*sys.argv[1:])
