"""Files where none should be: what unpacking or reading could have written past its own folder."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import gettempdir

from tests.faults.kit.truth import query
from tests.support.stack import Stack

# Others of this machine write here as well: only names that an upload carried are looked for.
SHARED = (Path("/"), Path("/dev/shm"), Path("/var/tmp"), Path(gettempdir()), Path.cwd())  # noqa: S108 - only listed


class Places:
    """A stack's home and surroundings, as they were before it was started."""

    def __init__(self, folder: Path) -> None:
        """Take the folder in which the stack has its own: nothing else may ever lie in it."""
        self._folder = folder
        self._home = folder / "home"
        self._home.mkdir(parents=True)
        self._before = _listed(SHARED)

    def settings(self) -> dict[str, str]:
        """Return what makes a stack feel at home here."""
        return {"HOME": str(self._home)}

    def strays(self, stack: Stack) -> list[Path]:
        """Return what lies outside the stack's data and is none of its own."""
        own = {self._folder / name for name in ("home", "stack")}
        own |= {self._folder / "stack" / name for name in ("data", "scratch", "up.log")}
        near = _listed((self._folder, self._folder / "stack", self._home)) - own
        carried = _carried(stack)
        far = {path for path in _listed(SHARED) - self._before if path.name in carried}
        return sorted(near | far)


def _listed(folders: Iterable[Path]) -> set[Path]:
    return {path for folder in folders if folder.is_dir() for path in folder.iterdir()}


def _carried(stack: Stack) -> set[str]:
    """Return the parts of every name that came in."""
    statement = "SELECT DISTINCT filename FROM jobs"
    return {part for row in query(stack, statement) for part in row["filename"].split("/")}
