"""`lockgen fetch`: download the locked files into a wheelhouse, for builds without a network."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from lockgen.app import App
from lockgen.core.lock import Package
from lockgen.core.text_table import megabytes
from lockgen.core.words import counted
from lockgen.errors import Exit, FlatIndex, LockgenError, ToolFailed
from lockgen.images.project_images import Family, read_family, select_images
from lockgen.images.wheelhouse import Wheelhouse, paths_in_files
from lockgen.index.addresses import locked_addresses
from lockgen.index.download import disk_errors, download, is_downloaded, locked_folder
from lockgen.index.simple_api import read_page
from lockgen.io.output import print_text
from lockgen.io.stopping import thread_pool
from lockgen.io.uv import default_index
from lockgen.lock.layers import layers_of

WORKERS = 8


def run(app: App, folder: Path, names: tuple[str, ...]) -> int:
    """Fill the wheelhouse ``folder`` with the files of the selected images, and print its path.

    Raises:
        LockgenError: a file could not be downloaded or does not match the lock; correct files stay.
    """
    family, progress = read_family(app.root), app.progress
    folders = _packages_by_folder(family, names)
    # By digest: several folders may contain the same file.
    packages: dict[str, Package] = {}
    for of_folder in folders.values():
        for package in of_folder:
            packages[package.chosen.sha256] = package
    paths = paths_in_files(package.chosen for package in packages.values())
    with locked_folder(folder, lambda: progress.note(f"another lockgen process is downloading into {folder}; waiting")):
        wheelhouse = Wheelhouse(folder, paths)
        # Before the first download, which may take minutes.
        wheelhouse.refuse_foreign(folders)
        with disk_errors(folder):
            (folder / "files").mkdir(exist_ok=True)
        wheelhouse.write_plan()
        addresses = locked_addresses(app.http, family.manifest, family.lock.indexes)
        fetched = _Fetcher(app, folder, paths, addresses, packages.values()).run()
        for name, of_folder in folders.items():
            wheelhouse.link_packages(name, of_folder)
        wheelhouse.write_index()
    count = len(packages)
    files = counted(count, "file")
    progress.note(f"{files} in {folder}: {fetched} fetched, {count - fetched} already there")
    print_text(str(folder))
    return Exit.DONE


def _packages_by_folder(family: Family, names: tuple[str, ...]) -> dict[str, list[Package]]:
    """The packages that each bake target installs in its own layers, and the tools that all of them use."""
    lock = family.lock
    layers = layers_of(lock)
    folders: dict[str, list[Package]] = {"tools": list(lock.tools)}
    for image, variant in select_images(family.plan, names):
        layer = layers[image.name, variant.variant]
        own = set(layer.delta)
        if variant.base is None:
            own.update(layer.common)
        table = lock.by_variant[variant.variant]
        packages = [table[name] for name in sorted(own)]
        for built in image.built:
            # Set 1 is in the folder `tools`.
            if built.number > 1:
                tools = lock.more_tools[built.number - 2]
                packages += tools.packages
        folders[variant.target] = packages
    return folders


class _Stopped(Exception):
    """The user pressed Ctrl-C. Downloads stop where they are, and keep what they have received."""


class _Fetcher:
    """Downloads files in parallel. ``paths`` are those in `files/` by sha256, ``indexes`` the URLs by name."""

    def __init__(
        self,
        app: App,
        folder: Path,
        paths: Mapping[str, str],
        indexes: Mapping[str, str],
        packages: Iterable[Package],
    ) -> None:
        self._folder = folder
        self._paths = paths
        self._indexes = indexes
        self._progress = app.progress
        self._packages = list(packages)
        self._http = app.http
        self._default = default_index()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._bytes = 0
        self._total = sum(package.chosen.size or 0 for package in self._packages)

    def run(self) -> int:
        """Download what is missing, and return the number of downloaded files.

        Raises:
            FlatIndex: the default index, or one of a listed package, is a flat list of files.
            ToolFailed: with the faults of all files, not only of the first.
        """
        errors: list[LockgenError] = []
        fetched = 0
        with thread_pool(WORKERS) as pool:
            try:
                for answer in [pool.submit(self._fetch, package) for package in self._packages]:
                    try:
                        fetched += answer.result()
                    except FlatIndex:
                        raise
                    except LockgenError as error:
                        errors.append(error)
            except BaseException:
                # Threads cannot be interrupted: each download stops itself at its next piece.
                self._stopped.set()
                raise
        if errors:
            # Several files may fail for one reason, such as an index that does not answer.
            raise ToolFailed.of(dict.fromkeys(fault for error in errors for fault in error.faults))
        return fetched

    def _fetch(self, package: Package) -> bool:
        """Download one file unless it is there already; return whether it was downloaded."""
        file = package.chosen
        target = self._folder / "files" / self._paths[file.sha256]
        if is_downloaded(target, file.sha256):
            self._received(file.size or 0)
            return False
        url = self._url(package)
        with disk_errors(target):
            target.parent.mkdir(exist_ok=True)
        download(self._http, url, file.sha256, target, self._received)
        return True

    def _url(self, package: Package) -> str:
        # The lock records no URLs: an index may move its files.
        index = self._default if package.index is None else self._indexes[package.index]
        wanted = package.chosen.name
        page = read_page(self._http, index, package.name)
        for entry in page.files:
            if entry.name == wanted:
                return entry.url
        raise ToolFailed(f"the index no longer lists {wanted}", hint="run `lockgen resolve`")

    def _received(self, count: int) -> None:
        if self._stopped.is_set():
            raise _Stopped
        with self._lock:
            self._bytes += count
            self._progress.step(f"fetching: {megabytes(self._bytes)} of {megabytes(self._total)}")
