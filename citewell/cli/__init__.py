"""The command line: `citewell VERB`. One small file a verb; nothing is decided here.

Exit codes: 0 done, 1 done but something failed, 2 wrong usage, 3 no server answers, 4 the server
refuses, 130 interrupted or answered with no.
"""

from citewell.cli.app import main

__all__ = ["main"]
