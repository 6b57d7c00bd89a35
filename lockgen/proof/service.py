"""Run the images of a lock on this machine, else built ones on an engine. Equal images run once, and known results are
not found again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from lockgen.app import App
from lockgen.core.index import ExplicitIndex
from lockgen.core.lock import Lock, LockedImage
from lockgen.core.manifest import Manifest
from lockgen.core.words import counted
from lockgen.errors import LockgenError
from lockgen.index.sources import explicit_indexes
from lockgen.io.containers import Engine
from lockgen.io.own_code import own_code
from lockgen.io.temporary import create_folder, remove_folder
from lockgen.lock.closure import Closures
from lockgen.lock.requests import request_for
from lockgen.proof.built_images import BuiltImages
from lockgen.proof.check_run import CannotRun
from lockgen.proof.known_runs import KIND, KnownRuns
from lockgen.proof.local_place import AppFile, LocalPlace
from lockgen.proof.model import Checks, ImageRun
from lockgen.proof.native_libraries import missing
from lockgen.proof.packages import checks_of, digest, packages_of, rows_of


@dataclass(frozen=True)
class Family:
    """A resolved family: versions.toml, its lock, and the folder that both are in."""

    app: App
    manifest: Manifest
    lock: Lock


@dataclass
class Prover:
    """Runs images of one or several locks of the same family. Close it to remove its environment.

    ``gpus`` is what containers of built images get.
    """

    app: App
    with_tests: bool
    offline: bool = False
    live: bool = False
    no_cache: bool = False
    gpus: str | None = None
    _runs: dict[str, ImageRun] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _folder: Path | None = None

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, family: Family, images: Iterable[LockedImage]) -> dict[str, ImageRun]:
        """The result for each of ``images``, by tag."""
        order = _bases_first(family.lock, images)
        self.app.progress.step(f"running {counted(len(order), 'image')}")
        return dict(self._each(family, order))

    def _each(self, family: Family, order: list[LockedImage]) -> Iterator[tuple[str, ImageRun]]:
        closures = Closures(family.lock)
        indexes = self._indexes(family)
        for image in order:
            self.app.progress.step(f"running {image.tag}")
            yield image.tag, self._one(family, image, closures, indexes)

    def _indexes(self, family: Family) -> Mapping[str, ExplicitIndex] | str:
        """The explicit indexes; a text if they cannot be read."""
        app = family.app
        try:
            return explicit_indexes(
                family.manifest, app.folder, app.http, app.progress, live=self.live, offline=self.offline
            )
        except LockgenError as error:
            return str(error)

    def _one(
        self, family: Family, image: LockedImage, closures: Closures, indexes: Mapping[str, ExplicitIndex] | str
    ) -> ImageRun:
        manifest = family.manifest
        checks = checks_of(manifest, family.lock, image, with_tests=self.with_tests)
        packages = packages_of(family.lock, image, closures)
        files = _app_files(family, image) if checks.tests else []
        environment = _environment(manifest, image)
        key = digest(packages, checks, self._conditions(manifest, files, environment))
        known = self._known(key)
        if known is not None:
            return known
        if isinstance(indexes, str):
            return self._built_image(family, image, checks, indexes)
        request = request_for(manifest, [image.variant], indexes, {}, offline=self.offline)
        place = LocalPlace(self._environment_folder(), request)
        try:
            found = place.run(rows_of(packages, indexes), checks, files, environment)
        except CannotRun as error:
            return self._built_image(family, image, checks, str(error))
        native = missing(place.binaries())
        found = replace(found, where=place.name, isolated=place.is_isolated, native=native)
        self._keep(key, found)
        return found

    def _built_image(self, family: Family, image: LockedImage, checks: Checks, reason: str) -> ImageRun:
        """The result of the built image on the current engine. ``reason`` says why this machine has none."""
        try:
            place = self._built.place_of_lock(family.manifest, family.lock, image)
            key = digest([], checks, {"code": own_code(), "image": place.image.identity, "where": place.name})
            found = self._known(key)
            if found is None:
                found = place.run(checks)
                self._keep(key, found)
        except CannotRun as error:
            return ImageRun("unknown", f"{reason}; a built image cannot be run instead: {error}")
        return found

    @cached_property
    def _built(self) -> BuiltImages:
        return BuiltImages(Engine(self.app.root), self.gpus)

    def _environment_folder(self) -> Path:
        if self._folder is None:
            self._folder = create_folder("run-")
            self._stack.callback(remove_folder, self._folder)
        return self._folder

    # -- what is known ----------------------------------------------------------------

    def _conditions(
        self, manifest: Manifest, files: Iterable[AppFile], environment: Mapping[str, str]
    ) -> dict[str, object]:
        """What decides the result besides packages and checks."""
        contents = {file.path: _content(file.source) for file in files}
        return {
            "code": own_code(),
            "target": [manifest.target.release, manifest.target.platform],
            "files": contents,
            "environment": dict(environment),
        }

    def _known(self, key: str) -> ImageRun | None:
        if key in self._runs:
            return self._runs[key]
        found = self._cache.recall(key)
        if found is not None:
            self._runs[key] = found
        return found

    def _keep(self, key: str, found: ImageRun) -> None:
        self._runs[key] = found
        self._cache.keep(key, found)

    @property
    def _cache(self) -> KnownRuns:
        return KnownRuns(self.app.cache(KIND, ignored=self.no_cache))


def _bases_first(lock: Lock, images: Iterable[LockedImage]) -> list[LockedImage]:
    """By variant, an image next to those that share layers with it: then the environment changes least."""

    def place(image: LockedImage) -> tuple[str, list[str]]:
        return image.variant, [link.name for link in lock.chain(image)]

    return sorted(images, key=place)


def _app_files(family: Family, image: LockedImage) -> list[AppFile]:
    """The files of the project that the image has in its working directory."""
    root = family.app.root
    found: dict[str, Path] = {}
    for link in family.manifest.chain(image.name):
        for folder in link.copy:
            found[folder.rstrip("/")] = root / folder
        if link.entrypoint is not None:
            found[link.entrypoint] = root / "docker" / link.name / link.entrypoint
    return [AppFile(source, path) for path, source in sorted(found.items()) if source.exists()]


def _environment(manifest: Manifest, image: LockedImage) -> dict[str, str]:
    variables: dict[str, str] = {}
    for link in manifest.chain(image.name):
        variables |= link.env
    return variables


def _content(source: Path) -> str:
    """A digest of a file, or of all files in a folder."""
    total = hashlib.sha256()
    paths = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    for path in paths:
        total.update(f"{path.relative_to(source)}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()
