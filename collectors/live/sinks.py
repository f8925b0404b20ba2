"""Where a bundle's files go: a folder, an archive, or memory."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from engine.errors import EvidenceError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from pathlib import Path

ARCHIVES: Final = (".tar.gz", ".tgz")
PRIVATE: Final = 0o600
"""Evidence names hosts, addresses and processes: for its owner's eyes."""


class Sink(Protocol):
    """Takes files by their path inside the bundle; called from several threads."""

    def put(self, path: str, data: bytes) -> None:
        """Keep one file."""


class MemorySink:
    """Keeps the files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> None:
        """Keep one file."""
        self.files[path] = data


class FolderSink:
    """Writes the files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, data: bytes) -> None:
        """Write one file."""
        target = self.root / path
        for folder in (*reversed(target.relative_to(self.root).parents[:-1]), target.parent.relative_to(self.root)):
            # One by one: mkdir's mode holds for the last folder only.
            (self.root / folder).mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)


class ArchiveSink:
    """Adds the files to an open archive, below one top folder."""

    def __init__(self, archive: tarfile.TarFile, top: str, when: float) -> None:
        self.archive = archive
        self.top = top
        self.when = when
        self._lock = threading.Lock()

    def put(self, path: str, data: bytes) -> None:
        """Append one file."""
        import io
        import tarfile

        member = tarfile.TarInfo(f"{self.top}/{path}")
        member.size, member.mode, member.mtime = len(data), PRIVATE, int(self.when)
        with self._lock:
            self.archive.addfile(member, io.BytesIO(data))


@contextmanager
def open_sink(out: Path, when: float) -> Iterator[Sink]:
    """A sink for ``out``: an archive if its name ends like one, a folder otherwise; raises :class:`EvidenceError` if something is there already."""
    name = next((out.name.removesuffix(suffix) for suffix in ARCHIVES if out.name.endswith(suffix)), "")
    try:
        refuse_overwriting(out)
        if not name:
            yield from _folder(out)
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        with _archive(out) as archive:
            yield ArchiveSink(archive, name, when)
    except OSError as error:
        message = f"cannot write {error.filename or out}: {os.strerror(error.errno or 0)}"
        raise EvidenceError(message, "choose another path with -o") from error


def refuse_overwriting(out: Path) -> None:
    """Raise :class:`EvidenceError` if ``out`` exists and is not an empty folder."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        message = f"{out} exists already"
        raise EvidenceError(message, "choose another path with -o, or remove it first")


def _folder(out: Path) -> Iterator[FolderSink]:
    """A sink for a folder, which is taken away again if nothing could be collected at all."""
    made = not out.exists()
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield FolderSink(out)
    except EvidenceError:
        if made and not any(out.iterdir()):
            out.rmdir()
        raise


@contextmanager
def _archive(out: Path) -> Iterator[tarfile.TarFile]:
    """A new archive that appears under its name only when it is whole."""
    import tarfile

    partial = out.with_name(f".{out.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            yield archive
        os.rename(partial, out)
    except BaseException:
        os.unlink(partial)
        raise
