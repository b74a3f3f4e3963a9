"""Archives and mails, with files in them that no other has."""

import io
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.files import write_files

# Files in each, before those in the archive that some have in them.
MEMBERS = 5

Members = Mapping[str, bytes]


def write_holders(folder: Path, count: int, seed: int) -> list[Path]:
    """Write `count` zips, tars, mails and zips in zips; each with a bad file among its members."""
    folder.mkdir(parents=True, exist_ok=True)
    writers: tuple[tuple[str, Callable[[Members], bytes]], ...] = (
        ("zip", zipped),
        ("tar.gz", _tarred),
        ("eml", _mailed),
        ("zip", _nested),
    )
    paths = []
    for number in range(count):
        kind, write = writers[number % len(writers)]
        path = folder / f"{number:04}.{kind}"
        path.write_bytes(write(_members(f"{seed}-{number}")))
        paths.append(path)
    return paths


def zipped(members: Members) -> bytes:
    """Return a zip of these members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def _tarred(members: Members) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def _mailed(members: Members) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@example.com", f"{len(members)} files"
    mail.set_content(f"See {', '.join(members)}.")
    for name, content in members.items():
        mail.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name.replace("/", "-")
        )
    return mail.as_bytes()


def _nested(members: Members) -> bytes:
    names = sorted(members)
    inner = {name: members[name] for name in names[::2]}
    return zipped({"inner.zip": zipped(inner)} | {name: members[name] for name in names[1::2]})


def _members(dice: str) -> Members:
    with TemporaryDirectory() as made:
        folder = Path(made)
        paths = write_files(folder, MEMBERS, random.Random(dice).randrange(2**32))
        members = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}
    return members | {"bad.bin": b"\x7fELF" + dice.encode() + bytes(range(256))}
