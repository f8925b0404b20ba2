"""The files of what a user points at: a file, a folder or an archive; read into memory, never unpacked to disk.

Bundles come from strangers.  Every bound is checked before the memory is taken, and nothing outside of the path that was given is read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import EvidenceError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

MEBIBYTE: Final = 1 << 20
ARCHIVES: Final = (".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
MAX_PATH: Final = 4096
"""Characters of a path (PATH_MAX); tar allows millions."""
GZIP: Final = b"\x1f\x8b"


class Limits(NamedTuple):
    """Bounds on what is read from one path; all sizes in octets."""

    members: int = 50_000
    """Files and folders."""
    file_bytes: int = 256 * MEBIBYTE
    """One file."""
    total_bytes: int = 1024 * MEBIBYTE
    """All files together, unpacked."""
    ratio: int = 1000
    """Unpacked octets for one packed (text packs 1:20; a bomb 1:1000 and more), tested past 64 MiB."""
    depth: int = 24
    """Nested folders."""
    nested: int = 2
    """Archives inside archives or folders."""


@dataclass(slots=True)
class Members:
    """The files found at one path."""

    name: str
    """Base name of the path, without an archive's suffix."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Content by path inside (``/`` between parts; no leading one)."""
    folders: set[str] = field(default_factory=set)
    """Paths of the folders (one may be empty, which says something)."""
    warnings: list[str] = field(default_factory=list)
    single: bool = False
    """The path is one plain file."""


@dataclass(slots=True)
class _Budget:
    """What is left of the limits while reading."""

    limits: Limits
    members: int = 0
    total: int = 0
    exhausted: bool = False

    def take_member(self) -> bool:
        """Count one more entry; false once there are too many."""
        self.members += 1
        self.exhausted = self.exhausted or self.members > self.limits.members
        return not self.exhausted

    def room(self) -> int:
        """Octets that the next file may have."""
        return min(self.limits.file_bytes, self.limits.total_bytes - self.total)


def load(path: Path, limits: Limits) -> Members:
    """All files at ``path``; raises :class:`EvidenceError` if it is missing, unreadable, or a broken archive."""
    budget = _Budget(limits)
    try:
        status = path.stat()
    except OSError as error:
        message = f"cannot read {path}: {os.strerror(error.errno or 0)}"
        raise EvidenceError(message, "give a bundle, a folder of command outputs, or a file with -b") from error
    if stat.S_ISDIR(status.st_mode):
        found = Members(path.resolve().name)
        _read_folder(path, found, budget)
    elif stat.S_ISREG(status.st_mode):
        found = _read_single(path, budget)
    else:
        message = f"{path} is neither a file nor a folder"
        raise EvidenceError(message, "give a bundle, a folder of command outputs, or a file with -b")
    if budget.exhausted:
        found.warnings.append(f"{path} holds more than the limits allow ({limits.members} files, {limits.total_bytes} octets): the rest was not read")
    return found


def load_bytes(name: str, data: bytes, limits: Limits) -> Members:
    """All files of an archive that is in memory; raises :class:`EvidenceError` if it is broken."""
    from io import BytesIO

    found = Members(stem(name))
    _read_archive(BytesIO(data), name, found, _Budget(limits), level=1)
    return found


def _read_single(path: Path, budget: _Budget) -> Members:
    """An archive, or one plain file."""
    try:
        with path.open("rb") as file:
            if is_archive(path.name, file.read(512)):
                found = Members(stem(path.name))
                file.seek(0)
                _read_archive(file, str(path), found, budget, level=1)
                return found
            file.seek(0)
            data = file.read(budget.room() + 1)
    except OSError as error:
        message = f"cannot read {path}: {os.strerror(error.errno or 0)}"
        raise EvidenceError(message, "check its permissions") from error
    if len(data) > budget.room():
        message = f"{path} is larger than {budget.room()} octets"
        raise EvidenceError(message, "cut it to the part that matters")
    found = Members(path.resolve().parent.name, single=True)
    _keep(path.name, data, found)
    if not found.files:
        message = f"{path} is not text"
        raise EvidenceError(message, "give a bundle, a folder of command outputs, or a file with -b")
    return found


def stem(name: str) -> str:
    """A file name without its archive suffix."""
    return next((name.removesuffix(suffix) for suffix in ARCHIVES if name.lower().endswith(suffix)), name)


def is_archive(name: str, head: bytes) -> bool:
    """Whether a file is a tar archive by its name, or by how it begins."""
    return name.lower().endswith(ARCHIVES) or head[257:262] == b"ustar" or head.startswith((GZIP, b"\xfd7zXZ\x00", b"BZh"))


# --- folders -----------------------------------------------------------------------------------------------------------


def _read_folder(root: Path, found: Members, budget: _Budget) -> None:
    """Every file below ``root``; links are followed only where they stay inside it."""
    inside = os.path.realpath(root)
    for relative, path in _walk(str(root), "", budget, found):
        real = os.path.realpath(path)
        if os.path.commonpath((inside, real)) != inside:
            found.warnings.append(f"{relative}: not read, it is a link to somewhere outside of the folder")
            continue
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                found.warnings.append(f"{relative}: not read, it is not a regular file")
                continue
            if status.st_size > budget.room():
                found.warnings.append(f"{relative}: not read, it is larger than {budget.room()} octets")
                continue
            with open(path, "rb") as file:
                _dispatch(relative, file, found, budget, level=1)
        except OSError as error:
            found.warnings.append(f"{relative}: not read, {os.strerror(error.errno or 0)}")


def _walk(folder: str, relative: str, budget: _Budget, found: Members) -> Iterator[tuple[str, str]]:
    """Relative and full paths of the files below, sorted; hidden ones left out."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if not relative:
            message = f"cannot read {folder}: {os.strerror(error.errno or 0)}"
            raise EvidenceError(message, "check its permissions") from error
        found.warnings.append(f"{relative}: not read, {os.strerror(error.errno or 0)}")
        return
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if not budget.take_member():
            return
        path = f"{relative}/{entry.name}" if relative else entry.name
        if entry.is_dir(follow_symlinks=False):
            found.folders.add(path)
            if path.count("/") >= budget.limits.depth:
                found.warnings.append(f"{path}: not read, folders are nested too deeply")
            else:
                yield from _walk(entry.path, path, budget, found)
        elif not entry.is_dir():
            yield path, entry.path


# --- archives ----------------------------------------------------------------------------------------------------------


def _dispatch(name: str, file: IO[bytes], found: Members, budget: _Budget, level: int) -> None:
    """Keep a file, or read it as a bundle of its own if it is an archive."""
    base = name.rpartition("/")[2]
    if not base.lower().endswith(ARCHIVES):
        data = file.read(budget.room() + 1)
        if len(data) > budget.room():
            found.warnings.append(f"{name}: not read, it is larger than {budget.room()} octets")
            return
        budget.total += len(data)
        _keep(name, data, found)
        return
    if level > budget.limits.nested:
        found.warnings.append(f"{name}: not read, archives are nested too deeply")
        return
    inner = Members(stem(base))
    try:
        _read_archive(file, name, inner, budget, level + 1)
    except EvidenceError as error:
        found.warnings.append(str(error))
        return
    prefix = f"{name.rpartition('/')[0]}/{stem(base)}".strip("/")
    found.files.update({f"{prefix}/{path}": data for path, data in inner.files.items()})
    found.folders.update(f"{prefix}/{path}" for path in inner.folders)
    found.warnings.extend(f"{prefix}/{warning}" for warning in inner.warnings)


def _read_archive(file: IO[bytes], shown: str, found: Members, budget: _Budget, level: int) -> None:
    """Every regular file of a tar archive, as a stream; raises :class:`EvidenceError` if it is broken."""
    import lzma
    import tarfile
    import zlib

    before = budget.total
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:*") as archive:
            for member in archive:
                if not budget.take_member():
                    break
                unpacked = budget.total - before + max(member.size, 0)
                if unpacked > 64 * MEBIBYTE and unpacked > budget.limits.ratio * max(size, 1):
                    message = f"{shown} unpacks to more than {budget.limits.ratio} times its size: it looks like a compression bomb"
                    raise EvidenceError(message, "unpack it yourself and give the folder with -b")
                _read_member(archive, member, found, budget, level)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        message = f"{shown} is not a whole tar archive: {reason}"
        raise EvidenceError(message, "copy it again (it may be cut short), or unpack it and give the folder with -b") from error


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, found: Members, budget: _Budget, level: int) -> None:
    """One entry of an archive; anything but a plain file below the top is left out with a warning."""
    name = member.name.removeprefix("./")
    parts = name.split("/")
    if len(name) > MAX_PATH:
        found.warnings.append(f"{name[:80]}…: not read, the path is too long")
    elif member.isdir():
        found.folders.add(name.strip("/"))
    elif name.startswith("/") or ".." in parts or "\0" in name:
        found.warnings.append(f"{name!r}: not read, the path leaves the bundle")
    elif not member.isreg():
        found.warnings.append(f"{name}: not read, it is a {_type_of(member)}")
    elif len(parts) > budget.limits.depth:
        found.warnings.append(f"{name}: not read, folders are nested too deeply")
    elif member.size > budget.room():
        found.warnings.append(f"{name}: not read, it is larger than {budget.room()} octets")
        budget.exhausted = budget.exhausted or budget.room() < budget.limits.file_bytes
    elif not any(part.startswith(".") for part in parts):
        content = archive.extractfile(member)
        if content is not None:
            _dispatch(name, content, found, budget, level)


def _type_of(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "link"
    return "device" if member.isdev() else "special file"


# --- content -----------------------------------------------------------------------------------------------------------


def _keep(name: str, data: bytes, found: Members) -> None:
    """Keep a text file; a binary one (with NUL octets near its start) is left out with a warning."""
    if b"\0" in data[:8192] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        found.warnings.append(f"{name}: not read, it is not text")
    else:
        found.files[name] = data


def decode(data: bytes) -> str:
    """Text of a file: UTF-8 with or without a mark, UTF-16 with one (Windows' redirection); anything invalid is replaced."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")
