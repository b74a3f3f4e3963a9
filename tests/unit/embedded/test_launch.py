"""The launcher, up to the point where it becomes the part."""

import os
from collections.abc import Iterator

import pytest

from citewell.embedded import launch

NO_SIGNAL = "0"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the process was about to become, and who."""
    became: list[object] = []
    monkeypatch.setattr(os, "execv", lambda path, command: became.append((path, command)))
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: became.append((name, value)))
    return became


def test_it_becomes_the_command_whose_files_are_private(became: list[object]) -> None:
    launch.main([NO_SIGNAL, str(os.getppid()), "0", "-", "/bin/part", "--flag"])
    assert became == [("/bin/part", ["/bin/part", "--flag"])]
    assert os.umask(0) == 0o077


def test_it_gives_up_every_group_before_the_user(became: list[object]) -> None:
    launch.main([NO_SIGNAL, str(os.getppid()), "0", "101:104", "/bin/part"])
    assert became[:-1] == [("setgroups", []), ("setgid", 104), ("setuid", 101)]


def test_it_does_not_start_for_a_parent_that_is_gone(became: list[object]) -> None:
    with pytest.raises(SystemExit):
        launch.main([NO_SIGNAL, str(os.getpid()), "0", "-", "/bin/part"])
    assert became == []
