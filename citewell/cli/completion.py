"""`citewell completion`: a shell's script that completes verbs, options and their values."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script

from citewell.cli.options import AsJson
from citewell.cli.output import print_json, stderr

VARIABLE = "_CITEWELL_COMPLETE"


class Shell(StrEnum):
    """Shells whose completion is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


INSTALL: Mapping[Shell, str] = MappingProxyType(
    {
        Shell.BASH: "citewell completion bash >> ~/.bashrc",
        Shell.ZSH: "citewell completion zsh > ~/.zfunc/_citewell, with ~/.zfunc in fpath",
        Shell.FISH: "citewell completion fish > ~/.config/fish/completions/citewell.fish",
    }
)

app = typer.Typer(add_completion=False)


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell to complete in.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Print the script that completes `citewell` in a shell, and say where to put it."""
    script = get_completion_script(prog_name="citewell", complete_var=VARIABLE, shell=shell.value)
    if as_json:
        print_json({"shell": shell, "script": script, "install": INSTALL[shell]})
        return
    typer.echo(script)
    stderr().print(f"To install: {INSTALL[shell]}; then begin a new shell.", soft_wrap=True)
