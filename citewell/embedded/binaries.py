"""Finds a server's programs: a setting first, then the wheel, then the system."""

import importlib.util
import shutil
from pathlib import Path

from shared.errors import ConfigurationInvalid


def wheel_folder(package: str) -> Path | None:
    """Return where a package is installed, without importing it; None if it is not."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def first_program(candidates: list[Path], what: str) -> Path:
    """Return the first candidate that can be run.

    Raises:
        ConfigurationInvalid: none can; the detail names every place looked at.
    """
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            return Path(found).absolute()
    places = ", ".join(map(str, candidates))
    raise ConfigurationInvalid(
        f"no {what} here (looked for {places}); install `citewell[embedded]`, or give the"
        " server's URL instead"
    )
