"""`citewell reindex`: another space or chunking for a collection, with no downtime."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Annotated

import typer

from citewell.cli.asking import must_agree
from citewell.cli.connection import FOLLOWING, PATIENCE, connect
from citewell.cli.failures import ExitCode, complain, told
from citewell.cli.options import AsJson, Key, Url, Yes
from citewell.cli.output import print_json, seconds, stderr, stdout, table
from citewell.client import Client
from citewell.client.reindex_models import Comparison, Reindex, ReindexCost

LOOK_EVERY_S = 1.0
# What comes next in each state.
_NEXT: Mapping[str, str] = MappingProxyType(
    {
        "filling": "citewell reindex {0} --wait, which shows how far it is",
        "ready": "citewell reindex {0} compare; citewell reindex {0} switch",
        "switched": "citewell reindex {0} finish; citewell reindex {0} rollback",
        "removing": "citewell reindex {0} --wait",
    }
)


class Action(StrEnum):
    """What to do with a reindex."""

    BEGIN = "begin"
    SHOW = "show"
    COMPARE = "compare"
    SWITCH = "switch"
    ROLLBACK = "rollback"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    collection: str
    space: str | None
    chunk_tokens: int | None
    dry_run: bool
    accept_missing: bool
    questions: list[str]
    yes: bool
    as_json: bool


app = typer.Typer(add_completion=False)


@app.command()
@told
def reindex(
    collection: Annotated[str, typer.Argument(help="Name of a collection.")],
    action: Annotated[
        Action | None,
        typer.Argument(help="Without it: begin if something is to change, else show."),
    ] = None,
    *,
    space: Annotated[str | None, typer.Option(help="The new embedding space.")] = None,
    chunk_tokens: Annotated[int | None, typer.Option(help="Most tokens of a chunk.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it takes.")] = False,
    accept_missing: Annotated[
        bool,
        typer.Option("--accept-missing", help="Switch without what could not be brought over."),
    ] = False,
    question: Annotated[
        list[str] | None, typer.Option(help="One to compare the two by; repeatable.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when it is filled, or done.")
    ] = False,
    yes: Yes = False,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fill a second index beside the first, compare, switch, roll back, finish.

    Queries are answered all the time, nothing is parsed again, and new uploads go first. Says what
    it takes and asks first. Needs an admin key.
    """
    asked = Asked(
        collection, space, chunk_tokens, dry_run, accept_missing, question or [], yes, as_json
    )
    wanted = action or (Action.BEGIN if space or chunk_tokens or dry_run else Action.SHOW)
    with connect(url, key, FOLLOWING if wait else PATIENCE) as client:
        if wanted is Action.COMPARE:
            _tell_comparison(client.compare_indexes(collection, asked.questions), as_json=as_json)
            return
        found = _ACTIONS[wanted](client, asked)
        if found is not None and wait:
            found = _followed(client, found)
    if found is not None:
        _tell(found, as_json=as_json)


def _begin(client: Client, asked: Asked) -> Reindex | None:
    begin = partial(
        client.reindex, asked.collection, space=asked.space, chunk_tokens=asked.chunk_tokens
    )
    cost = begin(dry_run=True).cost
    if asked.dry_run and asked.as_json:
        print_json({"cost": cost})
    if not asked.as_json:
        stdout().print(_cost(cost))
    if asked.dry_run:
        return None
    question = f"Embed about {cost.chunks} chunks of {cost.collection} in {cost.space}?"
    must_agree(question, yes=asked.yes, as_json=asked.as_json)
    return begin().reindex


def _show(client: Client, asked: Asked) -> Reindex:
    return client.reindex_state(asked.collection)


def _switch(client: Client, asked: Asked) -> Reindex:
    return client.switch_index(asked.collection, accept_missing=asked.accept_missing)


def _roll_back(client: Client, asked: Asked) -> Reindex:
    return client.roll_back_index(asked.collection)


def _finish(client: Client, asked: Asked) -> Reindex:
    found = client.reindex_state(asked.collection)
    goes = found.old if found.answers == "new" else found.new
    question = f"Remove the index of {asked.collection} in {goes.space} ({goes.chunker}) for good?"
    must_agree(question, yes=asked.yes, as_json=asked.as_json)
    return client.finish_reindex(asked.collection)


_ACTIONS: Mapping[Action, Callable[[Client, Asked], Reindex | None]] = MappingProxyType(
    {
        Action.BEGIN: _begin,
        Action.SHOW: _show,
        Action.SWITCH: _switch,
        Action.ROLLBACK: _roll_back,
        Action.FINISH: _finish,
    }
)


def _followed(client: Client, found: Reindex) -> Reindex:
    """Look again and again while it fills or is removed, and say how far it is."""
    said = ""
    try:
        while found.state in {"filling", "removing"}:
            now = _progress(found)
            if now != said:
                stderr().print(now, soft_wrap=True)
            said = now
            time.sleep(LOOK_EVERY_S)
            found = client.reindex_state(found.collection)
    except KeyboardInterrupt:
        complain("Stopped watching; the server goes on.", "citewell reindex COLLECTION --wait")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return found


def _tell(found: Reindex, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    stdout().print(_progress(found), soft_wrap=True)
    for problem in found.problems:
        stdout().print(f"  {problem.version_id}: {problem.detail}", soft_wrap=True, markup=False)
    if found.state in _NEXT:
        stderr().print(f"Next: {_NEXT[found.state].format(found.collection)}", soft_wrap=True)


def _progress(found: Reindex) -> str:
    """Word how far it is, on one line."""
    told_of = [
        f"{found.collection}: {found.state}",
        f"{found.documents.done} of {found.documents.total} documents cut",
        f"{found.chunks.done} of {found.chunks.total} chunks embedded",
    ]
    if found.eta_s is not None:
        told_of.append(f"about {seconds(found.eta_s)} left")
    if found.usd:
        told_of.append(f"at most ${found.usd:.2f} so far")
    if found.waiting_for is not None:
        told_of.append(f"waiting for the {found.waiting_for.kind}: {found.waiting_for.detail}")
    if found.missing:
        told_of.append(f"{found.missing} could not be brought over")
    answering = found.new if found.answers == "new" else found.old
    told_of.append(f"{answering.space} ({answering.chunker}) answers")
    return ", ".join(told_of)


def _cost(cost: ReindexCost) -> object:
    headings = ["collection", "space", "chunking", "documents", "chunks", "tokens", "calls"]
    row = (
        cost.collection,
        cost.space,
        cost.chunker,
        cost.documents,
        f"about {cost.chunks}",
        f"at most {cost.tokens}",
        cost.calls,
        "unknown" if cost.usd is None else f"${cost.usd:.2f}",
        seconds(cost.seconds),
    )
    return table([*headings, "price", "time"], [row])


def _tell_comparison(found: Comparison, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        ("answers now", found.active.space, _share(found.active.recall)),
        ("might answer", found.other.space, _share(found.other.recall)),
    ]
    stdout().print(table(["", "space", "known document in the first ten"], rows))
    asked = f"{len(found.questions)} questions"
    stdout().print(f"The same documents in the first ten: {_share(found.overlap)} of {asked}.")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
