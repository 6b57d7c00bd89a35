"""`lockgen fetch`: the locked files into a wheelhouse, for builds without a network."""

from __future__ import annotations

import filecmp
import json
import os
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from lockgen.core.lock import File, Package
from lockgen.core.ports import Progress
from lockgen.core.text_table import megabytes
from lockgen.errors import BadInput, Exit, Fault, LockgenError, Place, ToolFailed
from lockgen.images.project_images import chosen, read_family
from lockgen.index.download import disk_errors, download, is_downloaded, link, locked_folder
from lockgen.index.simple_api import read_page
from lockgen.io.export import write_files
from lockgen.io.http import Http
from lockgen.io.uv import default_index
from lockgen.lock.layers import layers_of

WORKERS = 8
INDEX = "wheelhouse.json"


def run(root: Path, folder: Path, names: tuple[str, ...], progress: Progress) -> int:
    """Fills ``folder``: `files/` holds each file once, and a folder for each bake target holds links to its own.

    Raises:
        LockgenError: a file could not be fetched, or is not what the lock says; those that are right stay.
    """
    family = read_family(root)
    layers = layers_of(family.lock)
    folders: dict[str, list[Package]] = {"tools": list(family.lock.tools)}
    for image, variant in chosen(family.plan, names):
        layer = layers[image.name, variant.variant]
        own = {*layer.delta, *(layer.common if variant.base is None else ())}
        folders[variant.target] = [family.lock.by_variant[variant.variant][name] for name in sorted(own)]
        for built in (built for built in image.built if built.number > 1):
            folders[variant.target] += family.lock.more_tools[built.number - 2].packages
    packages = {package.chosen.sha256: package for held in folders.values() for package in held}
    paths = _paths(package.chosen for package in packages.values())
    with locked_folder(folder, lambda: progress.note(f"another lockgen fetches into {folder}: waiting for it")):
        wheelhouse = _Wheelhouse(folder, paths)
        wheelhouse.refuse_foreign(folders)
        with disk_errors(folder):
            (folder / "files").mkdir(exist_ok=True)
        fetched = _Fetcher(folder, paths, family.lock.indexes, progress, packages.values()).run()
        for name, held in folders.items():
            wheelhouse.arrange(name, held)
        listed = {path: digest for digest, path in sorted(paths.items(), key=lambda item: item[1])}
        text = json.dumps({"format": 1, "files": listed}, indent=1) + "\n"
        write_files(folder, {INDEX: text.encode()}, lambda _: True)
    progress.note(f"{len(packages)} files in {folder}: {fetched} fetched, the others were there")
    click.echo(str(folder))
    return Exit.DONE


def _paths(files: Iterable[File]) -> dict[str, str]:
    """The path of each file in `files/`, by sha256: its name, in a separate folder where two files share the name."""
    by_name: dict[str, set[str]] = {}
    for file in files:
        by_name.setdefault(file.name, set()).add(file.sha256)
    return {
        digest: name if len(digests) == 1 else f"{digest}/{name}"
        for name, digests in by_name.items()
        for digest in digests
    }


class _Wheelhouse:
    """A folder that lockgen fills, and that may contain the user's files too (guarantee 11).

    A file in it is lockgen's if wheelhouse.json names it, or if it is the locked file, or has the bytes of the file of
    its name in `files/`.
    """

    def __init__(self, folder: Path, paths: Mapping[str, str]) -> None:
        self._folder, self._paths = folder, paths
        self._files = folder / "files"
        with disk_errors(folder / INDEX):
            self._recorded = _recorded(folder / INDEX)

    def refuse_foreign(self, folders: Mapping[str, Iterable[Package]]) -> None:
        """Raises BadInput with every file of the user's that would be replaced."""
        wanted = {self._files / path: sha256 for sha256, path in self._paths.items()}
        for folder, held in folders.items():
            wanted |= {self._folder / folder / p.chosen.name: p.chosen.sha256 for p in held}
        foreign = [path for path, sha256 in sorted(wanted.items()) if self._is_foreign(path, sha256)]
        if self._recorded is None:
            foreign.append(self._folder / INDEX)
        if foreign:
            hint = "move it away, or name another folder"
            message = "this file is not lockgen's, and would be replaced"
            raise BadInput.of([Fault(message, place=Place(str(path)), hint=hint) for path in foreign])

    def arrange(self, name: str, held: Iterable[Package]) -> None:
        """Links what ``held`` needs into the folder of one target, and takes out what lockgen put there earlier."""
        own = self._folder / name
        wanted = {package.chosen.name: self._paths[package.chosen.sha256] for package in held}
        with disk_errors(own):
            own.mkdir(exist_ok=True)
            for there in own.iterdir():
                if there.name not in wanted and self._is_lockgens(there):
                    there.unlink()
        for file, path in wanted.items():
            link(self._files / path, own / file)

    def _is_foreign(self, path: Path, sha256: str) -> bool:
        if not os.path.lexists(path):
            return False
        return not self._is_lockgens(path) and not (path.is_file() and is_downloaded(path, sha256))

    def _is_lockgens(self, path: Path) -> bool:
        """Never a folder or a link: lockgen makes none of these there."""
        if path.is_symlink() or not path.is_file():
            return False
        same = self._files / path.name
        if path.name in (self._recorded or ()):
            return True
        return path != same and same.is_file() and (path.samefile(same) or filecmp.cmp(path, same, shallow=False))


def _recorded(path: Path) -> Collection[str] | None:
    """The names in wheelhouse.json; none where there is no such file, None where another tool wrote it."""
    if not os.path.lexists(path):
        return ()
    try:
        match json.loads(path.read_bytes()):
            case {"format": int(), "files": dict(files)}:
                return {path.rpartition("/")[2] for path in files}
    except (ValueError, RecursionError, IsADirectoryError, FileNotFoundError):
        pass
    return None


class _Stopped(Exception):
    """Somebody pressed Ctrl-C: what is running ends where it is, and what came is kept."""


class _Fetcher:
    def __init__(
        self,
        folder: Path,
        paths: Mapping[str, str],
        indexes: Mapping[str, str],
        progress: Progress,
        packages: Iterable[Package],
    ) -> None:
        self._folder, self._paths, self._indexes, self._progress = folder, paths, indexes, progress
        self._packages = list(packages)
        self._http = Http()
        self._default = default_index()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._bytes = 0
        self._total = sum(package.chosen.size or 0 for package in self._packages)

    def run(self) -> int:
        """How many files came. Every fault is told, not only the first."""
        errors: list[LockgenError] = []
        fetched = 0
        pool = ThreadPoolExecutor(WORKERS)
        try:
            for answer in [pool.submit(self._one, package) for package in self._packages]:
                try:
                    fetched += answer.result()
                except LockgenError as error:
                    errors.append(error)
        except BaseException:
            self._stopped.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if errors:
            raise ToolFailed.of(dict.fromkeys(fault for error in errors for fault in error.faults))
        return fetched

    def _one(self, package: Package) -> bool:
        file = package.chosen
        target = self._folder / "files" / self._paths[file.sha256]
        if is_downloaded(target, file.sha256):
            self._got(file.size or 0)
            return False
        index = self._default if package.index is None else self._indexes[package.index]
        page = read_page(self._http, index, package.name)
        url = next((entry.url for entry in page.files if entry.name == file.name), None)
        if url is None:
            raise ToolFailed(f"the index does not list {file.name} any more", hint="resolve again")
        with disk_errors(target):
            target.parent.mkdir(exist_ok=True)
        download(self._http, url, file.sha256, target, self._got)
        return True

    def _got(self, count: int) -> None:
        if self._stopped.is_set():
            raise _Stopped
        with self._lock:
            self._bytes += count
            self._progress.step(f"fetching: {megabytes(self._bytes)} of {megabytes(self._total)}")
