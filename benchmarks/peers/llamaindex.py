"""LlamaIndex's IngestionPipeline over a folder, in one process: read, split, embed, keep nothing.

    PEER_PYTHON benchmarks/peers/llamaindex.py FOLDER PROVIDER_URL

PEER_PYTHON has llama-index-core, llama-index-readers-file, llama-index-embeddings-openai, docx2txt.
"""

import sys
import time
from pathlib import Path

from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.openai import OpenAIEmbedding


def main(folder: str, provider: str) -> None:
    """Ingest the folder; print files, chunks and seconds."""
    embed = OpenAIEmbedding(
        model="text-embedding-3-small", api_key="x", api_base=provider, embed_batch_size=128
    )
    splitter = SentenceSplitter(chunk_size=1000, chunk_overlap=80)
    start = time.monotonic()
    reader = SimpleDirectoryReader(folder, recursive=True, exclude=["manifest.csv"])
    documents = reader.load_data()
    nodes = IngestionPipeline(transformations=[splitter, embed]).run(documents=documents)
    seconds = time.monotonic() - start
    files = sum(path.is_file() for path in Path(folder).rglob("*")) - 1
    print(f"{files} files, {len(nodes)} chunks in {seconds:.1f} s: {files / seconds:.1f} files/s")


if __name__ == "__main__":
    main(*sys.argv[1:])
