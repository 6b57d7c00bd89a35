"""Paths of the project's folder: which names are allowed, and that no symlink leads out of it."""

from __future__ import annotations

import os
import stat
from functools import lru_cache

from lockgen.errors import BadInput, Place, ToolFailed

STATE = ".lockgen"
"""lockgen's own folder in the root: the lock file, and the journal while files are being replaced."""

_RESERVED = frozenset({STATE, ".git"})
_LONGEST = 255
"""Bytes of one part of a path (NAME_MAX), checked before a write begins: no journal may get stuck on it."""


# Each path is checked several times in a run: when it is read, compared, staged and moved.
@lru_cache(maxsize=100_000)
def _fault(path: str) -> str | None:
    parts = path.split("/")
    # Control characters, lone surrogates, line separators.
    if not path.isprintable():
        return "contains a character that cannot be printed"
    if "\\" in path:
        return "contains a backslash"
    if path.startswith("/"):
        return "is absolute"
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty, '.' or '..' part"
    # On file systems that ignore case, .GIT is .git.
    if any(part.casefold() in _RESERVED for part in parts):
        return f"is inside {STATE} or .git"
    if any(len(part.encode()) > _LONGEST for part in parts):
        return f"has a part longer than {_LONGEST} bytes"
    return None


def is_name(path: str) -> bool:
    """Whether ``path`` can name a file that lockgen writes."""
    return _fault(path) is None


def within(root: str, real: str, path: str) -> str:
    """``real`` if it lies in ``root``, both absolute with links resolved; BadInput about ``path`` if not."""
    below = real.removeprefix(root.rstrip("/"))
    if real != root and (below == real or not below.startswith("/")):
        raise BadInput(
            f"{path} points outside of the project's folder through a symlink",
            place=Place(path),
            hint="Replace the symlink with a folder or a file inside the project.",
        )
    if any(part.casefold() in _RESERVED for part in below.split("/")):
        raise BadInput(f"{path} points into {STATE} or .git through a symlink", place=Place(path))
    return real


class Locator:
    """Finds where many paths are, one after the other. It looks at each folder once, so keep it for one step only."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._folders: dict[str, str] = {}
        self._files_above: dict[str, str | None] = {}

    def located(self, path: str) -> str:
        """The absolute path of ``path``, links in its folders resolved; a link in its last part is not followed.

        BadInput if it is not a relative path with forward slashes, or if a symlinked folder leads out of ``root``.
        """
        _require_name(path)
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = _resolved(self.root, folder)
        return f"{self._folders[folder].rstrip('/')}/{name}"

    def file_above(self, path: str) -> str | None:
        """The first part of ``path`` that exists and is not a folder (or a link to one); None if there is none."""
        folder = path.rpartition("/")[0]
        if folder not in self._files_above:
            self._files_above[folder] = _file_above(self.root, path)
        return self._files_above[folder]


def located(root: str, path: str) -> str:
    """See `Locator.located`."""
    return Locator(root).located(path)


def located_folder(root: str, path: str) -> str:
    """The absolute path of a folder, links resolved; "" is ``root``. BadInput as for ``located``."""
    if path:
        _require_name(path)
    return _resolved(root, path)


def _resolved(root: str, path: str) -> str:
    """See ``located_folder``; ``path`` is a valid name."""
    if not path:
        return root
    folder = root
    for part in path.split("/"):
        folder = os.path.join(folder, part)
        if os.path.islink(folder):
            return within(root, os.path.realpath(os.path.join(root, path)), path)
    # Valid names lead down only, so without a link this is below the root. `realpath` would also look at each folder
    # above the root, again for each file.
    return folder


def _require_name(path: str) -> None:
    if fault := _fault(path):
        raise BadInput(
            f"the path {path!a} {fault}",
            hint="Use a relative path with forward slashes that stays in the project's folder.",
        )


def status_of(target: str) -> os.stat_result | None:
    """``lstat``; None if nothing is there. Any other failure is an OSError: unreadable is not missing."""
    try:
        return os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _file_above(root: str, path: str) -> str | None:
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        folder = "/".join(parts[:end])
        target = os.path.join(root, folder)
        if os.path.isdir(target):
            continue
        return folder if status_of(target) is not None else None
    return None


def read_file(locator: Locator, path: str) -> bytes | None:
    """The bytes of a regular file, through a symlink if that stays in ``root``; None if nothing is there.

    BadInput for a folder or a device, or a link that leads out; OSError if it cannot be read.
    """
    target = locator.located(path)
    status = status_of(target)
    if status is None:
        return None
    if stat.S_ISLNK(status.st_mode):
        target = within(locator.root, os.path.realpath(target), path)
    return read_target(target, path)


def read_target(target: str, path: str) -> bytes | None:
    """The bytes of the regular file at ``target``, which is that of ``path``; see ``read_file``."""
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer for ever.
        handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        require_file(os.fstat(handle), path)  # the message of open() for a folder is misleading
    except BadInput:
        os.close(handle)
        raise
    with open(handle, "rb") as file:
        return file.read()


def require_file(status: os.stat_result, path: str) -> None:
    """BadInput unless ``status`` is that of a regular file or a symlink."""
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise BadInput(
            f"{path} is {what}; lockgen needs a file there",
            place=Place(path),
            hint=f"Move {path} away and run the command again.",
        )


def failure(error: OSError, root: str, message: str, *, needed: int = 0) -> ToolFailed:
    """The error for ``error``. ``needed``: the number of bytes to write."""
    import errno

    # filename2 is the target of a rename, which is the file that the user knows.
    name = error.filename2 or error.filename
    text = os.fsdecode(name) if isinstance(name, str | bytes) else root
    place = os.path.relpath(text, root) if text.startswith(root.rstrip("/") + "/") else text
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            space = os.statvfs(root)
            free = space.f_bavail * space.f_frsize
            quota = " (a quota may apply)" if error.errno == errno.EDQUOT else ""
            sizes = f"The new files need {needed} bytes, and {free} are free{quota}."
            hint = f"{sizes} Free some space and run the command again."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            hint = "Make the project's folder writable for this user and run the command again."
        case _:
            hint = "Fix the cause and run the command again."
    reason = (error.strerror or type(error).__name__).lower()
    return ToolFailed(f"{message}: {reason}", place=Place(place), hint=hint)
