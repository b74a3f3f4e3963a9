"""The shape of the code: short functions, small files, one-way imports, all documented."""

from pathlib import Path

import pytest

from tests.support.shape import House, percentile, read_house

LONGEST_95 = 30
LONGEST_FILE = 400
DEEPEST = 10
DOCUMENTED = 0.95


@pytest.fixture(scope="module")
def house() -> House:
    return read_house()


def test_95_of_100_functions_have_at_most_30_lines(house: House) -> None:
    longest = sorted(house.functions, key=lambda one: -one.lines)[:10]
    assert percentile((one.lines for one in house.functions), 0.95) <= LONGEST_95, longest


def test_no_file_is_longer_than_400_lines(house: House) -> None:
    long = {name: one.lines for name, one in house.sources.items() if one.lines > LONGEST_FILE}
    assert long == {}


def test_imports_never_go_round(house: House) -> None:
    assert house.cycle() == []


def test_nothing_in_house_is_imported_inside_a_function(house: House) -> None:
    assert house.late() == []


def test_no_chain_of_imports_is_longer_than_10(house: House) -> None:
    chain = house.deepest()
    assert len(chain) <= DEEPEST, " -> ".join(chain)


def test_every_function_is_annotated(house: House) -> None:
    assert [one.place for one in house.functions if not one.annotated] == []


def test_public_names_are_documented(house: House) -> None:
    public = sum(len(source.public) for source in house.sources.values())
    missing = house.undocumented()
    assert len(missing) <= (1 - DOCUMENTED) * public, missing


class TestMeasure:
    """The measure itself, on small houses with a known flaw."""

    @pytest.fixture
    def built(self, tmp_path: Path) -> House:
        modules = {
            "__init__": "",
            "a": "from p import b\nimport p.c\n",
            "b": "from p.c import one\n",
            "c": "def one():\n    '''Doc.'''\n    import p.a\n    return 1\n\nclass Open: pass\n",
            "d": "from p import e\n",
            "e": "if True:\n    from p.d import x\n",
        }
        (tmp_path / "p" / "migrations").mkdir(parents=True)
        (tmp_path / "p" / "migrations" / "m.py").write_text("def f(): pass")
        for name, text in modules.items():
            (tmp_path / "p" / f"{name}.py").write_text(text)
        return read_house(["p"], tmp_path)

    def test_migrations_are_left_out(self, built: House) -> None:
        assert set(built.sources) == {"p", "p.a", "p.b", "p.c", "p.d", "p.e"}

    def test_imports_are_found(self, built: House) -> None:
        assert built.imports["p.a"] == {"p", "p.b", "p.c"}
        assert built.imports["p.c"] == set()

    def test_late_imports_are_found(self, built: House) -> None:
        assert built.late() == ["p.c:3"]

    def test_a_cycle_is_found(self, built: House) -> None:
        assert {"p.d", "p.e"} <= set(built.cycle())

    def test_the_longest_chain_is_found(self, built: House) -> None:
        straight = House({name: one for name, one in built.sources.items() if name < "p.d"})
        assert straight.deepest() == ["p.a", "p.b", "p.c"]

    def test_docstrings_do_not_count_as_lines(self, built: House) -> None:
        (function,) = built.sources["p.c"].functions
        assert (function.lines, function.annotated) == (3, False)

    def test_what_lacks_a_docstring_is_found(self, built: House) -> None:
        assert built.undocumented() == ["p.c:6 Open"]


def test_percentiles_are_values_that_occur() -> None:
    assert percentile([], 0.95) == 0
    assert percentile([5], 0.95) == 5
    assert percentile(range(1, 101), 0.95) == 95
