"""`citewell cancel`: end jobs that are no longer wanted, by id or by batch."""

import typer

from citewell.cli.acting import cancel

app = typer.Typer(add_completion=False)
app.command("cancel")(cancel)
