"""Where programs lie that parser processes may start, unless a setting says otherwise."""

from pathlib import Path

# Tesseract: Debian's package, built from source, Homebrew's.
PARSER_PROGRAMS = tuple(
    Path(folder, "bin", "tesseract") for folder in ("/usr", "/usr/local", "/opt/homebrew")
)
