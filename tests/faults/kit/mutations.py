"""Files spoiled by dice: the same seed spoils the same file in the same way."""

import io
import random
import struct
import zipfile
from collections.abc import Callable, Sequence

Mutation = Callable[[bytearray, random.Random], bytearray]

MAX_FLIPS = 64
MAX_BYTES = 8 * 1024 * 1024
# Lengths and counts that readers trip over.
WILD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NOISE = (b"\x00", b"\xff", b"<", b"&", b"%n", b"\r\n\r\n", b"obj", b"stream", b"]]>", b"(((((")


def flip_bits(data: bytearray, dice: random.Random) -> bytearray:
    """Flip some bits anywhere."""
    for _ in range(dice.randint(1, MAX_FLIPS)):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def cut(data: bytearray, dice: random.Random) -> bytearray:
    """Cut it off somewhere, or take out a piece."""
    start = dice.randrange(len(data) + 1)
    stop = len(data) if dice.random() < 0.5 else min(len(data), start + dice.randint(1, 4096))
    return data[:start] + data[stop:]


def splice(data: bytearray, dice: random.Random) -> bytearray:
    """Copy a piece over, or into, another place."""
    start, place = (dice.randrange(len(data) + 1) for _ in range(2))
    piece = data[start : start + dice.randint(1, 8192)]
    over = len(piece) if dice.random() < 0.5 else 0
    return data[:place] + piece + data[place + over :]


def edit_length(data: bytearray, dice: random.Random) -> bytearray:
    """Write a wild number where a length may stand."""
    size = dice.choice((1, 2, 4))
    if len(data) < size:
        return data
    place = dice.randrange(len(data) - size + 1)
    form = dice.choice("<>") + {1: "B", 2: "H", 4: "I"}[size]
    struct.pack_into(form, data, place, dice.choice(WILD) & ((1 << 8 * size) - 1))
    return data


def edit_digits(data: bytearray, dice: random.Random) -> bytearray:
    """Make some decimal digits others: text formats write their lengths so."""
    places = [place for place, byte in enumerate(data[:65536]) if 48 <= byte <= 57]
    for place in dice.sample(places, min(len(places), dice.randint(1, 8))):
        data[place] = 48 + dice.randrange(10)
    return data


def insert_noise(data: bytearray, dice: random.Random) -> bytearray:
    """Put something that means something in some format many times somewhere."""
    place = dice.randrange(len(data) + 1)
    return data[:place] + dice.choice(NOISE) * dice.randint(1, 20_000) + data[place:]


BYTES: Sequence[Mutation] = (flip_bits, cut, splice, edit_length, edit_digits, insert_noise)


def spoil_member(data: bytearray, dice: random.Random) -> bytearray:
    """Spoil, drop, double or rename a member of a zip file, and pack it again in good order."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # noqa: BLE001 - spoilt before: whatever zipfile makes of it
        return flip_bits(data, dice)
    if not members:
        return data
    place = dice.randrange(len(members))
    name, content = members.pop(place)
    spoilt = dice.choice(BYTES)(bytearray(content), dice)
    members[place:place] = dice.choice(
        [[(name, bytes(spoilt))]] * 6
        + [[], [(name, content), (name, bytes(spoilt))], [("../" + name, content)]]
    )
    return _zipped(members)


def _zipped(members: Sequence[tuple[str, bytes]]) -> bytearray:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            # By an info of its own: a name that comes twice is meant to, and not warned about.
            archive.NameToInfo.pop(name, None)
            archive.writestr(zipfile.ZipInfo(name), content)
    return bytearray(packed.getvalue())


def spoil(content: bytes, dice: random.Random) -> bytes:
    """Return `content` with one to three things wrong with it, at most 8 MiB of it."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        inside = data[:2] == b"PK" and dice.random() < 0.7
        data = (spoil_member if inside else dice.choice(BYTES))(data, dice)
    return bytes(data[:MAX_BYTES])
