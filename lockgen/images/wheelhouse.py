"""A wheelhouse: a folder with locked files, for builds without a network.

`files/` contains each file once; a folder for each bake target contains links to the files that it installs.
`wheelhouse.json` records what lockgen wrote.
"""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from lockgen.core.documents import parse_json
from lockgen.core.lock import File, Package
from lockgen.errors import BadInput, Fault, Place
from lockgen.index.download import disk_errors, is_downloaded, link
from lockgen.io.export import write_files

INDEX = "wheelhouse.json"
_PLAN = "wheelhouse.json.part"
"""The files that a run downloads. After power loss, it shows that damaged ones among them are lockgen's."""


def paths_in_files(files: Iterable[File]) -> dict[str, str]:
    """The path of each file in `files/`, by sha256.

    That is its name, in a separate folder where several files share the name: indexes may serve different bytes under
    one name.
    """
    by_name: dict[str, set[str]] = {}
    for file in files:
        by_name.setdefault(file.name, set()).add(file.sha256)
    paths = {}
    for name, digests in by_name.items():
        for digest in digests:
            paths[digest] = name if len(digests) == 1 else f"{digest}/{name}"
    return paths


class Wheelhouse:
    """A folder that lockgen fills, and that may contain the user's files too (guarantee 11).

    A file in it is lockgen's if wheelhouse.json or the plan of an interrupted run names it, or if it is the locked
    file, or has the bytes of the file of its name in `files/`.
    """

    def __init__(self, folder: Path, paths: Mapping[str, str]) -> None:
        self._folder = folder
        self._paths = paths
        self._files = folder / "files"
        with disk_errors(folder / INDEX):
            self._recorded = _recorded(folder / INDEX)
            self._planned = _recorded(folder / _PLAN)

    def refuse_foreign(self, folders: Mapping[str, Iterable[Package]]) -> None:
        """Raise BadInput with every file of the user's that would be replaced."""
        wanted = {self._files / path: sha256 for sha256, path in self._paths.items()}
        for name, packages in folders.items():
            own = self._folder / name
            for package in packages:
                file = package.chosen
                wanted[own / file.name] = file.sha256
        foreign = [path for path, sha256 in sorted(wanted.items()) if self._is_foreign(path, sha256)]
        if self._recorded is None:
            foreign.append(self._folder / INDEX)
        if self._planned is None:
            foreign.append(self._folder / _PLAN)
        if foreign:
            message = "this file is not lockgen's, and would be replaced"
            hint = "move it away, or name another folder"
            faults = [Fault(message, place=Place(str(path)), hint=hint) for path in foreign]
            raise BadInput.of(faults)

    def write_plan(self) -> None:
        """Record what will be downloaded. This is the only file that is synced: others are not named before it is."""
        # Those of an earlier run that was interrupted may still be damaged.
        earlier = dict.fromkeys(sorted(self._planned or ()), "")
        write_files(self._folder, {_PLAN: self._document(earlier)}, lambda _: True, synced=True)

    def link_packages(self, name: str, packages: Iterable[Package]) -> None:
        """Link ``packages`` into the folder of one target, and remove what lockgen put there earlier."""
        own = self._folder / name
        wanted: dict[str, str] = {}
        for package in packages:
            chosen = package.chosen
            wanted[chosen.name] = self._paths[chosen.sha256]
        with disk_errors(own):
            own.mkdir(exist_ok=True)
            for found in own.iterdir():
                # The user's files stay, even in this folder.
                if found.name not in wanted and self._is_lockgens(found):
                    found.unlink()
        for file, path in wanted.items():
            link(self._files / path, own / file)

    def write_index(self) -> None:
        """Record the files. Call it last: the index means that the wheelhouse is complete."""
        # `refuse_foreign` has tested the file that is there.
        write_files(self._folder, {INDEX: self._document()}, lambda _: True)
        with disk_errors(self._folder / _PLAN):
            (self._folder / _PLAN).unlink(missing_ok=True)

    def _document(self, earlier: Mapping[str, str] | None = None) -> bytes:
        digests = {path: digest for digest, path in self._paths.items()}
        listed = dict(sorted({**(earlier or {}), **digests}.items()))
        document = {"format": 1, "files": listed}
        return (json.dumps(document, indent=1) + "\n").encode()

    def _is_foreign(self, path: Path, sha256: str) -> bool:
        # A dangling link is a user's file as well, and `exists` would miss it.
        if not os.path.lexists(path) or self._is_lockgens(path):
            return False
        is_locked_file = path.is_file() and is_downloaded(path, sha256)
        return not is_locked_file

    def _is_lockgens(self, path: Path) -> bool:
        """Whether lockgen wrote ``path``. Never true for a folder or a symbolic link: lockgen creates none there."""
        if path.is_symlink() or not path.is_file():
            return False
        if path.name in (self._recorded or ()) or path.name in (self._planned or ()):
            return True
        original = self._files / path.name
        if path == original or not original.is_file():
            return False
        # A file system without hard links has copies instead.
        return path.samefile(original) or filecmp.cmp(path, original, shallow=False)


def _recorded(path: Path) -> Collection[str] | None:
    """The names in wheelhouse.json; empty if it does not exist, None if another tool wrote it."""
    if not os.path.lexists(path):
        return ()
    try:
        match parse_json(path.read_bytes()):
            case {"format": int(), "files": dict(files)}:
                return {path.rpartition("/")[2] for path in files}
    except (ValueError, RecursionError, IsADirectoryError, FileNotFoundError):
        pass
    return None
