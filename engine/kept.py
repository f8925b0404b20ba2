"""What was worked out once and comes out the same every time (checked rules, compiled templates), kept beside Python's own byte code.

The same bargain as with ``.pyc`` files: whoever can write there can change the program itself, so what is read is trusted as the program is; only
what came with the program is kept, never anything of a user's.  ``PYTHONPYCACHEPREFIX`` moves these files too.
"""

from __future__ import annotations

import os
from typing import Any

SETTLED = 2.0
"""Seconds since the last change after which a file is kept by its times: two changes within one tick of the clock look alike."""
DEEPEST = 8
"""Levels of folders that are looked at."""

Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, size, and times of modification and change (ns) of files: equal stamps mean equal contents."""


def stamp(*places: str) -> Stamp:
    """Stamp of files, and of the files in folders and below; empty if there is no such file (the program runs from an archive)."""
    found: list[tuple[str, int, int, int]] = []
    try:
        for place in places:
            _add(place, os.stat(place), found, DEEPEST)  # noqa: PTH116  # 120 files: pathlib costs more than the system call
    except OSError:
        return ()
    return tuple(found)


def _add(path: str, status: os.stat_result, found: list[tuple[str, int, int, int]], depth: int) -> None:
    if (status.st_mode & 0o170000) != 0o040000:
        found.append((path, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    elif depth:
        with os.scandir(path) as entries:
            listed = sorted((entry.path, entry.stat()) for entry in entries if entry.name != "__pycache__")
        for inner, its in listed:
            _add(inner, its, found, depth - 1)


def _file(name: str) -> str:
    from importlib.util import cache_from_source

    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")  # noqa: PTH100, PTH118, PTH120
    return cache_from_source(source).removesuffix(".pyc") + ".kept"


def load(name: str, key: object) -> Any:
    """What was kept under a name if its key is the same, else ``None``; key and content are plain values (``marshal``)."""
    import marshal

    try:
        with open(_file(name), "rb") as stream:  # noqa: PTH123
            kept, content = marshal.loads(stream.read())  # noqa: S302  # trusted as byte code is, see above
    except (OSError, ValueError, EOFError, TypeError, NotImplementedError):
        return None
    return content if kept == key else None


def save(name: str, key: Any, content: Any, files: Stamp) -> None:
    """Keep plain values under a name, if that can be done; not while one of the ``files`` that they come from is being worked on."""
    import marshal
    from time import time_ns

    newest = max((time for *_, modified, changed in files for time in (modified, changed)), default=0)
    if not files or abs(time_ns() - newest) < SETTLED * 1e9:
        return
    path = _file(name)
    beside = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        data = marshal.dumps((key, content))
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123
                stream.write(data)
            os.replace(beside, path)  # noqa: PTH105
        except BaseException:
            os.unlink(beside)  # noqa: PTH108
            raise
    except OSError:
        return  # an installation that cannot be written: everything is worked out anew
