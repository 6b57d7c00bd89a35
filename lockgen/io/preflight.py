"""Which files a write would change, and whether it can succeed: checked before any file is touched."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping

from lockgen.errors import BadInput, Place
from lockgen.io.safe_paths import Locator, read_file, read_target, require_file, status_of


def changes(root: str, tree: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """The part of ``tree`` that differs from the disk.

    BadInput for a path that leads out of ``root``, or where a file or a folder is in the way; OSError where
    nothing can be read or written.
    """
    locator = Locator(root)
    targets = {path: locator.located(path) for path in sorted(tree)}
    _refuse_clashes(targets, tree)
    statuses = {path: status_of(target) for path, target in targets.items()}
    links = [path for path, status in statuses.items() if status is not None and stat.S_ISLNK(status.st_mode)]
    differing = []
    for path, status in statuses.items():
        if not _is_there(locator, path, targets[path], status, tree[path]):
            differing.append(path)
    if differing:
        # This write may change the file that a link leads to. So each link becomes a file, whatever it reads now.
        differing += links
    changed = {path: tree[path] for path in differing}
    for folder, path in _by_folder(targets, changed).items():
        _require_folder(root, folder, path)
    return changed


def _is_there(locator: Locator, path: str, target: str, status: os.stat_result | None, wanted: bytes | None) -> bool:
    """Whether ``target``, the place of ``path``, has the ``wanted`` bytes. ``status`` is that of ``target``."""
    if status is None:
        return wanted is None
    if stat.S_ISLNK(status.st_mode):
        return _leads_to(locator, path, wanted)
    require_file(status, path)
    return read_target(target, path) == wanted


def _leads_to(locator: Locator, path: str, wanted: bytes | None) -> bool:
    """Whether the link at ``path`` leads to a file with the ``wanted`` bytes."""
    try:
        return wanted is not None and read_file(locator, path) == wanted
    except (BadInput, OSError):
        # The link leads nowhere, or out of the root.
        return False


def _refuse_clashes(targets: Mapping[str, str], tree: Mapping[str, bytes | None]) -> None:
    """BadInput if two paths are one file (through a symlinked folder), or one is a folder of another."""
    names: dict[str, str] = {}
    for path, target in targets.items():
        other = names.setdefault(target, path)
        if other != path:
            raise BadInput(f"{other} and {path} are the same file", place=Place(path))
    # A file that is removed needs no folder. Many files share one.
    for folder, path in _by_folder(targets, [path for path in targets if tree[path] is not None]).items():
        for above in (folder, *_folders_above(folder)):
            owner = names.get(above)
            if owner is not None and tree[owner] is not None:
                raise BadInput(f"{owner} would be both a file and the folder of {path}", place=Place(path))


def _by_folder(targets: Mapping[str, str], paths: Iterable[str]) -> dict[str, str]:
    """The folders of ``paths`` on disk, each with the first path in it."""
    first: dict[str, str] = {}
    for path in paths:
        first.setdefault(os.path.dirname(targets[path]), path)
    return first


def _folders_above(target: str) -> Iterator[str]:
    folder = os.path.dirname(target)
    while len(folder) > 1:
        yield folder
        folder = os.path.dirname(folder)


def _require_folder(root: str, folder: str, path: str) -> None:
    """Fail unless ``folder`` is a writable folder or can be made: BadInput if a file is in the way."""
    # The nearest folder above that exists decides whether the missing ones can be made.
    status = _status_through_links(folder)
    while status is None:
        folder = os.path.dirname(folder)
        status = _status_through_links(folder)
    if not stat.S_ISDIR(status.st_mode):
        name = os.path.relpath(folder, root)
        raise BadInput(
            f"{name} is a file; {path} needs a folder there",
            place=Place(name),
            hint=f"Move {name} away and run the command again.",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)


def _status_through_links(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
