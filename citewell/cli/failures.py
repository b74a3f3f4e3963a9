"""Expected failures as a sentence, the next command to try and an exit code; never a traceback."""

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import ParamSpec, TypeVar

import typer
from rich.text import Text

from citewell.cli.absence import NoServerKnown
from citewell.cli.output import stderr
from citewell.client.errors import (
    AnswerNotUnderstood,
    FileUnreadable,
    ProblemError,
    ServerUnreachable,
)
from citewell.loading.files import NamesCollide, NothingToLoad
from shared.errors import CitewellError, Unavailable
from shared.models import Problem

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ExitCode(IntEnum):
    """What a verb tells the shell."""

    DONE = 0
    SOMETHING_FAILED = 1
    WRONG_USAGE = 2
    NO_SERVER = 3
    REFUSED = 4
    INTERRUPTED = 130


_EXPECTED = (
    NoServerKnown,
    NothingToLoad,
    NamesCollide,
    FileUnreadable,
    ServerUnreachable,
    AnswerNotUnderstood,
    ProblemError,
    CitewellError,
)


def told(verb: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Wrap a verb so that what it is expected to raise is told and becomes its exit code."""

    @wraps(verb)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return verb(*args, **kwargs)
        except _EXPECTED as error:
            message, hint, code = _words(error)
            complain(message, hint)
            raise typer.Exit(code) from error

    return guarded


def complain(message: str, hint: str = "") -> None:
    """Print an error and what to do about it on standard error."""
    console = stderr()
    console.print(Text.assemble(("Error: ", "bold red"), message))
    if hint:
        console.print(Text.assemble(("Next: ", "bold"), hint))


# What helps with a refusal, beside the server's own hint.
_NEXT = {
    "unauthenticated": "--key or CITEWELL_API_KEY; `citewell keys create` makes a key",
    "forbidden": "`citewell keys create --scope SCOPE` makes such a key",
    "not_found": "`citewell documents list`, `jobs list`, `batches list` show what there is",
    "conflict": "`citewell jobs show JOB` tells its present state",
    "invalid_request": "the verb's --help tells what it takes",
}


def next_step(problem: Problem) -> str:
    """Say what to do about a problem: the server's hint, and the command that goes with it."""
    step = _NEXT.get(problem.code, "")
    if not step and problem.who != "user":
        step = "`citewell doctor` shows the parts"
    return f"{problem.hint} ({step})" if step else problem.hint


def _words(error: Exception) -> tuple[str, str, ExitCode]:
    match error:
        case NoServerKnown():
            return (
                "No server is named, and none runs here.",
                "`citewell up`, or --url and --key (CITEWELL_URL, CITEWELL_API_KEY)",
                ExitCode.NO_SERVER,
            )
        case ServerUnreachable():
            return str(error), "`citewell doctor`; `citewell up` starts one", ExitCode.NO_SERVER
        case ProblemError():
            return str(error), next_step(error.problem), ExitCode.REFUSED
        case AnswerNotUnderstood():
            return str(error), "`citewell doctor --url …` with the right address", ExitCode.REFUSED
        case CitewellError():
            down = isinstance(error, Unavailable)
            code = ExitCode.NO_SERVER if down else ExitCode.WRONG_USAGE
            return error.detail, error.hint, code
        case _:
            return str(error), "`citewell ingest --help`", ExitCode.WRONG_USAGE
