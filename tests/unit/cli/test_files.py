"""Which files some paths mean, what they are called, and how they are cut into requests."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citewell.client import File
from citewell.loading.files import NamesCollide, NothingToLoad, find_files, pack


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("docs/a.txt", "docs/sub/b.pdf", "docs/.git/config", "docs/.hidden", "c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(paths: list[str], patterns: list[str] | None = None) -> list[str]:
    return [file.name for file in find_files(paths, patterns or []).files]


@pytest.mark.usefixtures("tree")
class TestNames:
    def test_below_a_folder_a_file_is_called_by_its_path_from_there(self) -> None:
        assert names(["docs"]) == ["a.txt", "sub/b.pdf"]

    def test_hidden_ones_are_counted(self) -> None:
        assert find_files(["docs"]).hidden == 2

    def test_a_file_keeps_the_relative_path_it_is_named_by(self) -> None:
        assert names(["docs/sub/b.pdf"]) == ["docs/sub/b.pdf"]

    def test_a_path_that_leads_out_leaves_the_bare_name(self, tree: Path) -> None:
        assert names([str(tree / "c.txt")]) == ["c.txt"]
        assert names([f"../{tree.name}/c.txt"]) == ["c.txt"]

    def test_patterns_narrow_folders_by_name_or_path(self) -> None:
        assert names(["docs"], ["*.pdf"]) == ["sub/b.pdf"]
        assert names(["docs"], ["sub/*"]) == ["sub/b.pdf"]

    def test_a_quoted_pattern_is_expanded(self) -> None:
        assert names(["docs/**/*.pdf"]) == ["docs/sub/b.pdf"]

    def test_a_file_named_twice_is_taken_once(self) -> None:
        assert names(["c.txt", "./c.txt"]) == ["c.txt"]

    def test_two_files_of_one_name_are_refused(self, tree: Path) -> None:
        (tree / "other").mkdir()
        (tree / "other/a.txt").write_text("another")
        with pytest.raises(NamesCollide, match=r"'a\.txt'"):
            find_files(["docs", "other"])

    def test_links_to_folders_are_not_followed(self, tree: Path) -> None:
        (tree / "docs/loop").symlink_to(tree)
        assert names(["docs"]) == ["a.txt", "sub/b.pdf"]

    @pytest.mark.parametrize("path", ["absent", "absent/*.txt"])
    def test_a_path_that_leads_nowhere_is_named(self, path: str) -> None:
        with pytest.raises(NothingToLoad, match="absent"):
            find_files([path])

    def test_nothing_left_says_what_was_asked(self) -> None:
        with pytest.raises(NothingToLoad, match=r"fits \*\.docx .*2 hidden"):
            find_files(["docs"], ["*.docx"])


@given(st.lists(st.integers(0, 100)), st.integers(1, 5), st.integers(1, 150))
def test_requests_are_bounded_complete_and_in_order(
    sizes: list[int], most_files: int, most_bytes: int
) -> None:
    files = [File(str(number), b"x" * size) for number, size in enumerate(sizes)]
    requests = list(pack(files, most_files=most_files, most_bytes=most_bytes))
    assert [file for request in requests for file in request] == files
    for request in requests:
        assert 1 <= len(request) <= most_files
        assert len(request) == 1 or sum(file.size for file in request) <= most_bytes


def test_a_file_that_is_gone_still_gets_its_turn(tmp_path: Path) -> None:
    gone = File("gone", tmp_path / "gone")
    assert list(pack([gone], most_files=2, most_bytes=2)) == [[gone]]
