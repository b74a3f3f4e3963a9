"""Measures how the code reads, from its syntax alone: lengths, imports, annotations, docstrings.

Nothing measured is imported. Tests, migrations and what is not Python are left out.
"""

import ast
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("citewell", "services", "shared")
LEFT_OUT = frozenset({"migrations", "__pycache__"})

Definition = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Definition | ast.ClassDef


@dataclass(frozen=True)
class Function:
    """A function: where it stands, its lines without docstring and decorators, its annotations."""

    place: str
    lines: int
    annotated: bool


@dataclass(frozen=True)
class Source:
    """One module, parsed."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, str(self.path))

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        return [
            Function(f"{self.name}:{node.lineno} {node.name}", _length(node), _annotated(node))
            for node in ast.walk(self.tree)
            if isinstance(node, Definition)
        ]

    @cached_property
    def public(self) -> list[Documented]:
        """Public classes, functions and methods, as a reader of the module meets them."""
        return list(_public(self.tree.body))

    @cached_property
    def late_imports(self) -> list[ast.stmt]:
        """Import statements inside functions."""
        return [
            inner
            for node in ast.walk(self.tree)
            if isinstance(node, Definition)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Import | ast.ImportFrom)
        ]


@dataclass(frozen=True)
class House:
    """All the code as one."""

    sources: Mapping[str, Source]

    @property
    def functions(self) -> list[Function]:
        """Every function of every module."""
        return [function for source in self.sources.values() for function in source.functions]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """In-house modules each module imports when it is imported itself."""
        return {
            name: set(self._targets(_eager(source.tree))) - {name}
            for name, source in self.sources.items()
        }

    def late(self) -> list[str]:
        """In-house imports inside functions, as places."""
        return [
            f"{source.name}:{node.lineno}"
            for source in self.sources.values()
            for node in source.late_imports
            if any(self._targets([node]))
        ]

    def cycle(self) -> list[str]:
        """One import cycle, as the modules along it; empty when there is none."""
        try:
            TopologicalSorter(self.imports).prepare()
        except CycleError as error:
            return list(error.args[1])
        return []

    def deepest(self) -> list[str]:
        """The longest chain of imports, outermost module first; needs a house without cycles."""
        chains: dict[str, list[str]] = {}
        for name in TopologicalSorter(self.imports).static_order():
            below = [chains[target] for target in self.imports[name]]
            chains[name] = [name, *max(below, key=len, default=[])]
        return max(chains.values(), key=len, default=[])

    def undocumented(self) -> list[str]:
        """Public names without a docstring, as places."""
        return [
            f"{source.name}:{node.lineno} {node.name}"
            for source in self.sources.values()
            for node in source.public
            if ast.get_docstring(node) is None
        ]

    def _targets(self, nodes: Iterable[ast.stmt]) -> Iterator[str]:
        for node in nodes:
            for name in _imported(node):
                # `from a.b import c` runs a.b, and a.b.c too where that is a module.
                parent = name.rpartition(".")[0]
                yield from (one for one in (name, parent) if one in self.sources)


def read_house(packages: Sequence[str] = PACKAGES, root: Path = ROOT) -> House:
    """Parse every module of some packages below a folder."""
    sources = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if LEFT_OUT.isdisjoint(parts):
                name = ".".join(parts).removesuffix(".__init__")
                sources[name] = Source(name, path, path.read_text(encoding="utf-8"))
    return House(sources)


def percentile(values: Iterable[int], share: float) -> int:
    """Return the smallest value that at least this share of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else 0


def _length(node: Definition) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    docstring = node.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def _annotated(node: Definition) -> bool:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [one for one in (arguments.vararg, arguments.kwarg) if one]
    needing = [one for one in named if one.arg not in {"self", "cls"}]
    return node.returns is not None and all(one.annotation for one in needing)


def _public(body: Sequence[ast.stmt]) -> Iterator[Documented]:
    for node in body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _eager(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the imports that run with the module: all but those inside functions."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, Definition | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _imported(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
