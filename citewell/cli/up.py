"""`citewell up`: the whole stack on this machine, without Docker and without a key."""

from pathlib import Path
from typing import Annotated

import typer

from citewell.cli.connection import HERE
from citewell.cli.failures import told
from citewell.embedded.stack import StackOptions, run

app = typer.Typer(add_completion=False)

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")]


@app.command()
@told
def up(
    *,
    data: Annotated[Path, typer.Option(help="Folder that everything is kept in.")] = HERE,
    port: Port = StackOptions.port,
    flower_port: Port = 0,
) -> None:
    """Start the whole stack and run it until Ctrl-C; the data stay in the folder."""
    raise typer.Exit(run(StackOptions(data=data, port=port, flower_port=flower_port)))
