"""`lockgen fetch`: the locked files into a wheelhouse, for builds without a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from lockgen.adapters.download import alone_in, download, is_there, link, on_disk
from lockgen.adapters.http import Http
from lockgen.adapters.resolvers.uv import default_index
from lockgen.adapters.simple_index import read_page
from lockgen.commands.plan import chosen, read_family
from lockgen.errors import Exit, LockgenError, ToolFailed
from lockgen.model.lock import File, Package
from lockgen.planning.layers import layers_of
from lockgen.ports import Progress
from lockgen.rendering.tables import megabytes

WORKERS = 8
INDEX = "wheelhouse.json"
_DISTRIBUTIONS = (".whl", ".tar.gz", ".zip")


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
    with alone_in(folder, lambda: progress.note(f"another lockgen fetches into {folder}: waiting for it")):
        with on_disk(folder):
            (folder / "files").mkdir(exist_ok=True)
        fetched = _Fetcher(folder, paths, family.lock.indexes, progress, packages.values()).run()
        for name, held in folders.items():
            _arrange(folder, paths, name, held)
        listed = {path: digest for digest, path in sorted(paths.items(), key=lambda item: item[1])}
        with on_disk(folder / INDEX):
            (folder / INDEX).write_text(json.dumps({"format": 1, "files": listed}, indent=1) + "\n")
    progress.note(f"{len(packages)} files in {folder}: {fetched} fetched, the others were there")
    click.echo(str(folder))
    return Exit.DONE


def _paths(files: Iterable[File]) -> dict[str, str]:
    """The path of each file in `files/`, by sha256: its name, in a folder of its own where two files share the name."""
    by_name: dict[str, set[str]] = {}
    for file in files:
        by_name.setdefault(file.name, set()).add(file.sha256)
    return {
        digest: name if len(digests) == 1 else f"{digest}/{name}"
        for name, digests in by_name.items()
        for digest in digests
    }


def _arrange(folder: Path, paths: Mapping[str, str], name: str, held: Iterable[Package]) -> None:
    own = folder / name
    wanted = {package.chosen.name: paths[package.chosen.sha256] for package in held}
    with on_disk(own):
        own.mkdir(exist_ok=True)
        for there in own.iterdir():
            # The folder may be somebody's own, `tools` say: only distributions are lockgen's to remove.
            if there.name not in wanted and there.name.endswith(_DISTRIBUTIONS):
                there.unlink()
    for file, path in wanted.items():
        link(folder / "files" / path, own / file)


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
        if is_there(target, file.sha256):
            self._got(file.size or 0)
            return False
        index = self._default if package.index is None else self._indexes[package.index]
        page = read_page(self._http, index, package.name)
        url = next((entry.url for entry in page.files if entry.name == file.name), None)
        if url is None:
            raise ToolFailed(f"the index does not list {file.name} any more", hint="resolve again")
        with on_disk(target):
            target.parent.mkdir(exist_ok=True)
        download(self._http, url, file.sha256, target, self._got)
        return True

    def _got(self, count: int) -> None:
        if self._stopped.is_set():
            raise _Stopped
        with self._lock:
            self._bytes += count
            self._progress.step(f"fetching: {megabytes(self._bytes)} of {megabytes(self._total)}")
