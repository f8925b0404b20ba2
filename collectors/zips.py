"""Zip archives, opened only after their directory was found to be of a sane size (``zipfile`` reads all of it at once)."""

from __future__ import annotations

import os
import stat
import struct
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    import zipfile

MARKS: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip begins: with a file, or (an empty one) with the end of its directory."""
END: Final = struct.Struct("<4s4H2LH")
"""End of the central directory: mark, two disks, two counts, size and place of the directory, length of a comment."""
END_MARK: Final = b"PK\x05\x06"
LONGEST_COMMENT: Final = 1 << 16
PER_ENTRY: Final = 160
"""Octets of the directory that one file may take on the average (46 and its name twice)."""
LOCATOR: Final = (20, b"PK\x06\x07")
"""Octets before that end, and mark, of what leads to a directory with 64 bits, whose size would count instead."""
UNIX: Final = 3
"""System that made an entry: its mode is in the upper half of the attributes."""


class ZipRefusedError(ValueError):
    """The archive is none, or one that nobody would make."""


def opened(file: IO[bytes], members: int) -> zipfile.ZipFile:
    """The archive, if its directory has room for no more than ``members`` files or so; raises :class:`ZipRefusedError` and what zipfile raises."""
    import zipfile

    size = _directory(file)
    if size > members * PER_ENTRY:
        message = f"its directory has {size} octets, more than {members} files need"
        raise ZipRefusedError(message)
    file.seek(0)
    return zipfile.ZipFile(file)


def _directory(file: IO[bytes]) -> int:
    """Octets of the central directory."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - END.size - LONGEST_COMMENT))
    tail = file.read(END.size + LONGEST_COMMENT)
    at = tail.rfind(END_MARK)
    if at < 0 or at + END.size > len(tail):
        message = "its directory is missing"
        raise ZipRefusedError(message)
    before, mark = LOCATOR
    if tail[max(0, at - before) :].startswith(mark):
        return length  # a bundle that needs 64 bits is beyond every bound; a small one that pretends to is let through
    return int(END.unpack_from(tail, at)[5])


def refusal(info: zipfile.ZipInfo) -> str:
    """Why an entry is not read; "" for a plain file."""
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
    if kind == stat.S_IFLNK:
        return "it is a link"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "it is a special file"
    if info.flag_bits & 1:
        return "it is encrypted"
    return "" if info.compress_type in {0, 8} else "it is packed by another method than deflate"
