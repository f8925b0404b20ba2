"""The files of what a user points at: a file, a folder or an archive; read into memory, never unpacked to disk.

Bundles come from strangers.  Every bound is checked before the memory is taken, and nothing outside of the path that was given is read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.zips import MARKS
from engine.errors import EvidenceError

if TYPE_CHECKING:
    import tarfile
    import zipfile
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

MEBIBYTE: Final = 1 << 20
ARCHIVES: Final = (".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".zip")
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
    """Whether a file is a tar or zip archive by its name, or by how it begins."""
    return name.lower().endswith(ARCHIVES) or head[257:262] == b"ustar" or head.startswith((GZIP, b"\xfd7zXZ\x00", b"BZh", *MARKS))


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


class _Entry(NamedTuple):
    """One entry of an archive, whatever its format."""

    name: str
    size: int
    """Octets unpacked, as the archive says."""
    folder: bool
    refused: str
    """Why it is not read; "" for a plain file."""
    open: Callable[[], IO[bytes] | None]


def _read_archive(file: IO[bytes], shown: str, found: Members, budget: _Budget, level: int) -> None:
    """Every regular file of an archive; raises :class:`EvidenceError` if it is broken."""
    head = file.read(4)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    reader = _read_zip if head in MARKS else _read_tar
    reader(file, (shown, size), found, budget, level)


def _read_zip(file: IO[bytes], what: tuple[str, int], found: Members, budget: _Budget, level: int) -> None:
    """Every regular file of a zip archive; one inside another is read into memory, for it is read from its end."""
    import zipfile
    import zlib
    from io import BytesIO

    from collectors.zips import opened, refusal

    def content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
        if not info.filename.lower().endswith(ARCHIVES):
            return archive.open(info)
        with archive.open(info) as packed:
            return BytesIO(packed.read(budget.room()))

    before = budget.total
    try:
        with opened(file, budget.limits.members) as archive:
            for info in archive.infolist():
                if not budget.take_member():
                    break
                entry = _Entry(info.filename.replace("\\", "/"), info.file_size, info.is_dir(), refusal(info), partial(content, archive, info))
                _check_bomb(what, budget.total - before + info.file_size, budget.limits)
                _read_member(entry, found, budget, level)
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        message = f"{what[0]} is not a whole zip archive: {reason}"
        raise EvidenceError(message, "copy it again (it may be cut short), or unpack it and give the folder with -b") from error


def _check_bomb(what: tuple[str, int], unpacked: int, limits: Limits) -> None:
    """Raise :class:`EvidenceError` for an archive that grows beyond all reason."""
    shown, size = what
    if unpacked > 64 * MEBIBYTE and unpacked > limits.ratio * max(size, 1):
        message = f"{shown} unpacks to more than {limits.ratio} times its size: it looks like a compression bomb"
        raise EvidenceError(message, "unpack it yourself and give the folder with -b")


def _read_tar(file: IO[bytes], what: tuple[str, int], found: Members, budget: _Budget, level: int) -> None:
    """Every regular file of a tar archive, as a stream."""
    import lzma
    import tarfile
    import zlib

    before = budget.total
    try:
        with tarfile.open(fileobj=file, mode="r:*") as archive:
            for member in archive:
                if not budget.take_member():
                    break
                _check_bomb(what, budget.total - before + max(member.size, 0), budget.limits)
                refused = "" if member.isreg() else f"it is a {_type_of(member)}"
                entry = _Entry(member.name, member.size, member.isdir(), refused, partial(archive.extractfile, member))
                _read_member(entry, found, budget, level)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        message = f"{what[0]} is not a whole tar archive: {reason}"
        raise EvidenceError(message, "copy it again (it may be cut short), or unpack it and give the folder with -b") from error


def _read_member(member: _Entry, found: Members, budget: _Budget, level: int) -> None:
    """One entry of an archive; anything but a plain file below the top is left out with a warning."""
    name = member.name.removeprefix("./")
    parts = name.split("/")
    if len(name) > MAX_PATH:
        found.warnings.append(f"{name[:80]}…: not read, the path is too long")
    elif member.folder:
        found.folders.add(name.strip("/"))
    elif name.startswith("/") or ".." in parts or "\0" in name:
        found.warnings.append(f"{name!r}: not read, the path leaves the bundle")
    elif member.refused:
        found.warnings.append(f"{name}: not read, {member.refused}")
    elif len(parts) > budget.limits.depth:
        found.warnings.append(f"{name}: not read, folders are nested too deeply")
    elif member.size > budget.room():
        found.warnings.append(f"{name}: not read, it is larger than {budget.room()} octets")
        budget.exhausted = budget.exhausted or budget.room() < budget.limits.file_bytes
    elif not any(part.startswith(".") for part in parts):
        content = member.open()
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
