"""Nothing is deleted or rebuilt before a person said yes to it, or wrote `--yes`."""

import sys

import typer

from citewell.cli.failures import ExitCode
from citewell.cli.output import stderr


def must_agree(question: str, *, yes: bool, as_json: bool) -> None:
    """Return once it is agreed to; a no ends the verb with nothing done.

    Raises:
        BadParameter: nobody can be asked (a script, or --json), and `--yes` was not given.
    """
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        message = f"{question} Nobody can be asked here: add --yes."
        raise typer.BadParameter(message)
    if not typer.confirm(question, err=True):
        stderr().print("Nothing was done.")
        raise typer.Exit(ExitCode.INTERRUPTED)
