"""`citewell config` and `citewell completion`, and what holds for every verb."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import pytest
import typer
from pydantic import Field, model_validator

from citewell.cli.app import VERBS
from citewell.cli.config import of_group
from shared.settings_group import SettingsGroup, group_config
from tests.support.shell import Run

SECRET = "a secret of more than thirty-two characters"  # noqa: S105
GOOD = {
    "CITEWELL_DATABASE_URL": "postgresql://me:hidden@db/citewell",
    "CITEWELL_AUTH_SECRET": SECRET,
    "CITEWELL_BLOBS_URL": "file:///var/blobs",
}


def all_commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
    for name, one in (below or {}).items():
        yield from all_commands(one, f"{path} {name}")


def test_every_verb_can_be_read_by_a_program() -> None:
    without = {
        path
        for name, verb in VERBS.items()
        for path, one in all_commands(typer.main.get_command(import_module(verb.module).app), name)
        if not any("--json" in parameter.opts for parameter in one.params)
    }
    # It runs until it is stopped; `ready.json` is what a program reads of it.
    assert without == {"up"}


class TestConfig:
    def test_a_good_environment_is_code_0_and_keeps_its_secrets(self, run: Run) -> None:
        told = run("config", env=GOOD)
        assert told.code == 0, told.err
        assert "hidden" not in told.out
        assert SECRET not in told.out
        assert "postgresql://me:********@db/citewell" in told.out

    def test_each_value_says_where_it_comes_from(self, run: Run) -> None:
        told = json.loads(
            run("config", "--json", env=GOOD | {"CITEWELL_QDRANT_URL": "http://q"}).out
        )
        shown = {one["name"]: one for one in told["settings"]}
        assert told["valid"]
        assert shown["CITEWELL_QDRANT_URL"]["source"] == "environment"
        assert shown["CITEWELL_REDIS_URL"]["source"] == "default"
        assert shown["CITEWELL_AUTH_SECRET"]["value"] == "********"
        assert shown["CITEWELL_OPENAI_API_KEY"]["value"] == ""
        assert "CITEWELL_EMBEDDED_POSTGRES_BIN" in shown

    def test_what_is_missing_is_named(self, run: Run) -> None:
        told = run("config")
        assert told.code == 2
        assert "CITEWELL_DATABASE_URL: Field required" in told.err
        assert "`citewell config`" in told.err

    def test_a_wrong_value_is_named_and_a_secret_one_not_shown(self, run: Run) -> None:
        wrong = {"CITEWELL_AUTH_SECRET": "tooshort", "CITEWELL_QDRANT_TIMEOUT_S": "soon"}
        told = run("config", "--json", env=GOOD | wrong)
        assert told.code == 2
        assert "tooshort" not in told.out + told.err
        names = {message.partition(":")[0] for message in json.loads(told.out)["wrong"]}
        assert names == set(wrong)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("CITEWELL_INGEST_LEASE_S", "1"),
            ("CITEWELL_BLOBS_URL", "ftp://somewhere"),
            ("CITEWELL_EMBEDDING_SPACE", "nobody/knows"),
        ],
    )
    def test_what_only_shows_when_a_service_starts_is_told(
        self, run: Run, name: str, value: str
    ) -> None:
        told = run("config", env=GOOD | {name: value})
        assert told.code == 2
        assert (name if "SPACE" not in name else value) in told.err

    def test_a_secret_file_is_told_as_where_a_setting_comes_from(
        self, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "citewell_bootstrap_key").write_text("k" * 32)
        (tmp_path / "citewell_auth_secret").write_text("short")
        told = run("config", "--json", env=GOOD | {"CITEWELL_SECRETS_DIR": str(tmp_path)})
        assert told.code == 0
        shown = {one["name"]: one for one in json.loads(told.out)["settings"]}
        assert shown["CITEWELL_BOOTSTRAP_KEY"]["source"] == f"file in {tmp_path}"
        assert "k" * 32 not in told.out
        assert shown["CITEWELL_AUTH_SECRET"]["source"] == "environment"

    def test_a_misspelt_name_is_remarked(self, run: Run) -> None:
        told = run("config", env=GOOD | {"CITEWELL_QDRNT_URL": "x", "CITEWELL_URL": "http://x"})
        assert told.code == 0
        assert "CITEWELL_QDRNT_URL is no setting" in told.err
        assert "CITEWELL_URL is" not in told.err

    def test_what_is_no_url_is_masked_where_it_could_hold_a_password(self, run: Run) -> None:
        told = run("config", env=GOOD | {"CITEWELL_REDIS_URL": "redis://:pass@[bad/0"})
        assert "pass" not in told.out


class Lopsided(SettingsGroup):
    """A group with a rule of its own, and a list that may be no JSON."""

    model_config = group_config("LOPSIDED")

    names: list[str] = Field(default_factory=list)
    low: int = 1
    high: int = 2

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            message = "low must not be above high"
            raise ValueError(message)
        return self


@pytest.mark.parametrize(
    ("name", "value", "said"), [("LOW", "3", "not be above"), ("NAMES", "[", "names")]
)
def test_a_rule_of_a_whole_group_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"CITEWELL_LOPSIDED_{name}", value)
    last = list(of_group(Lopsided))[-1]
    assert last.name == "CITEWELL_LOPSIDED_*"
    assert said in last.wrong


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_script_is_printed_and_where_to_put_it(self, run: Run, shell: str) -> None:
        told = run("completion", shell)
        assert told.code == 0
        assert f"_CITEWELL_COMPLETE=complete_{shell}" in told.out
        assert f"citewell completion {shell}" in told.err
        assert json.loads(run("completion", shell, "--json").out)["script"] in told.out

    def test_an_unknown_shell_is_wrong_usage(self, run: Run) -> None:
        assert run("completion", "tcsh").code == 2

    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            ("citewell ba", {"batches"}),
            ("citewell documents d", {"download", "delete"}),
            ("citewell retry --fa", {"--failed"}),
            ("citewell jobs list --state fa", {"failed"}),
        ],
    )
    def test_verbs_that_are_imported_late_are_completed(
        self, words: str, offered: set[str], tmp_path: Path
    ) -> None:
        there = {
            "_CITEWELL_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        code = "from citewell.cli import main; main()"
        told = subprocess.run(
            [sys.executable, "-c", code],
            env=there,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(told.stdout.split()) == offered
