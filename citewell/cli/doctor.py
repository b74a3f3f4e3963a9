"""`citewell doctor`: ask every part how it is; say what is wrong and the command that helps."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from citewell.cli.connection import find_server, running_stack
from citewell.cli.failures import ExitCode, next_step, told
from citewell.cli.findings import Finding, findings_of
from citewell.cli.options import AsJson, Key, Url
from citewell.cli.output import print_json, stdout, table
from citewell.client import (
    AnswerNotUnderstood,
    Client,
    Patience,
    ProblemError,
    Readiness,
    ServerUnreachable,
)
from citewell.embedded.data_folder import Ready

_SERVICES = ("ingest", "query")
_ONCE = Patience(busy_s=0.0, unreachable_s=0.0)

app = typer.Typer(add_completion=False)


@app.command()
@told
def doctor(
    *,
    data: Annotated[
        Path | None, typer.Option(help="Data folder of the stack, if not a usual one.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended.")] = False,
    budget_s: Annotated[
        float, typer.Option("--seconds", min=1, max=60, help="Time for comparing the stores.")
    ] = 20,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Ask every part how it is, and say what to do about those that are not well.

    With an admin key it also compares Postgres, the vector store and the stored files of the key's
    tenant; --fix queues lost points to be embedded again and removes what nothing knows.
    """
    stack = running_stack([data] if data else None)
    found_url, found_key = find_server(url, key, stack)
    own = stack if stack and stack.url == found_url else None
    with Client(found_url, key=found_key, patience=_ONCE) as client:
        findings = [*_services(client), *_credential(client), *_processes(own)]
        if not any(one.state == "unreachable" for one in findings):
            findings += _stores(client, fix=fix, budget_s=budget_s)
    if as_json:
        print_json({"url": found_url, "findings": findings})
    else:
        _print(found_url, findings)
    raise typer.Exit(_verdict(findings))


def _services(client: Client) -> Iterator[Finding]:
    for service in _SERVICES:
        try:
            readiness = client.readiness(f"/{service}/readyz")
        except (ServerUnreachable, AnswerNotUnderstood) as error:
            yield Finding(service, "unreachable", str(error), "citewell up", well=False)
            continue
        yield _service(service, readiness)
        yield from _dependencies(service, readiness)


def _service(service: str, readiness: Readiness) -> Finding:
    well = readiness.status == "ready"
    return Finding(service, readiness.status, next="" if well else "see its parts", well=well)


def _dependencies(service: str, readiness: Readiness) -> Iterator[Finding]:
    for name, part in readiness.dependencies.items():
        if part.status == "up":
            latency = f"{part.latency_ms:.0f} ms" if part.latency_ms is not None else ""
            yield Finding(f"{service}: {name}", "up", latency)
            continue
        loss = "cannot work without it" if part.required else "works without it, with less"
        said = part.detail or part.code or "no answer"
        yield Finding(f"{service}: {name}", "down", f"{said} ({loss})", _advice(name), well=False)


def _credential(client: Client) -> Iterator[Finding]:
    try:
        client.collections()
    except ProblemError as error:
        refused = error.problem.code in {"unauthenticated", "forbidden"}
        advice = "--key or CITEWELL_API_KEY; `citewell keys create`" if refused else ""
        yield Finding("key", error.problem.code, error.problem.detail, advice, well=False)
    except (ServerUnreachable, AnswerNotUnderstood):
        # Told above already.
        return
    else:
        yield Finding("key", "accepted")


def _stores(client: Client, *, fix: bool, budget_s: float) -> Iterator[Finding]:
    try:
        yield from findings_of(client.doctor(fix=fix, budget_s=budget_s))
    except ProblemError as error:
        problem = error.problem
        if problem.code == "unauthenticated":
            # Told above already.
            return
        # Whoever may only load or ask has no use for this; who wanted to mend is refused.
        well = problem.code == "forbidden" and not fix
        yield Finding("stores", "not compared", problem.detail, next_step(problem), well=well)
    except (ServerUnreachable, AnswerNotUnderstood) as error:
        yield Finding("stores", "not compared", str(error), "citewell doctor", well=False)


def _processes(stack: Ready | None) -> Iterator[Finding]:
    if stack is None:
        return
    for part, pid in stack.pids.items():
        if _alive(pid):
            yield Finding(f"process {part}", "running", f"pid {pid}")
        else:
            log = str(Path(stack.log_dir) / f"{part}.log")
            yield Finding(f"process {part}", "gone", f"pid {pid}", f"less {log}", well=False)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Another user's process: it is there.
        return True
    return True


def _advice(part: str) -> str:
    if part == "parser_isolation":
        return "a newer kernel or container engine; see docs/howto/operate.md on isolation"
    return f"start or free {part}; it is tried again by itself"


def _print(url: str, findings: list[Finding]) -> None:
    console = stdout()
    console.print(f"{url}\n")
    rows = [(one.part, one.state, one.detail) for one in findings]
    console.print(table(["part", "state", "detail"], rows))
    # Below the table and never folded, so that a command can be copied.
    todo = [one for one in findings if one.next]
    if todo:
        console.print("\nWhat to do:")
    for one in todo:
        console.print(Text(f"  {one.part}: {one.next}"), soft_wrap=True)


def _verdict(findings: list[Finding]) -> ExitCode:
    if any(one.state == "unreachable" for one in findings):
        return ExitCode.NO_SERVER
    well = all(one.well for one in findings)
    return ExitCode.DONE if well else ExitCode.SOMETHING_FAILED
