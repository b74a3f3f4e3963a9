"""`citewell retry`: open failed and cancelled jobs again, by id, by batch or by what went wrong."""

import typer

from citewell.cli.acting import retry

app = typer.Typer(add_completion=False)
app.command("retry")(retry)
