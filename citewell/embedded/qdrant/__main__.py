"""Starts the server: `python -m citewell.embedded.qdrant --data DIR --port N`.

`CITEWELL_QDRANT_API_KEY`, where it is set, is asked of every request but those for health.
"""

import argparse
import atexit
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from citewell.embedded.qdrant.app import build_app
from citewell.embedded.qdrant.catalogue import Catalogue
from citewell.embedded.qdrant.manifest import DataFolder, FolderTaken
from shared.settings import QdrantSettings

_GRACE_S = 1
_KEEP_ALIVE_S = 75  # longer than clients keep an idle connection, so that they close it first


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the process's exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    # uvicorn raises the signal it was ended by once more, when everything is closed.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    folder = DataFolder(options.data)
    try:
        with folder.held():
            _serve(folder, options)
    except FolderTaken as taken:
        logging.getLogger(__name__).error("%s", taken)  # noqa: TRY400 - no traceback for people
        return 1
    return 0


def _serve(folder: DataFolder, options: argparse.Namespace) -> None:
    key = QdrantSettings().api_key
    catalogue = Catalogue(folder)
    app = build_app(
        catalogue,
        api_key=key.get_secret_value() if key else None,
        quiet_s=options.optimize_after,
    )
    atexit.register(_end, catalogue)
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _end(catalogue: Catalogue) -> None:
    """Leave at once if there was no time to unload every shard: the rest is in their logs.

    The engine would otherwise write each of them to disk on the way out, however long that takes.
    """
    if any(collection.shard.is_open for collection in catalogue.all()):
        os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="citewell.embedded.qdrant", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder for the points")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=6333, help="port to listen on")
    parser.add_argument(
        "--optimize-after",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="optimise a collection after so long without a write; 0: only when asked by PATCH",
    )
    return parser


def _leave(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
