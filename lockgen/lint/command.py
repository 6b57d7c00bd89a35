"""`lockgen lint`: unused packages, and imports without a package.

Not a part of `audit`: lint sends no requests about advisories, and a team may want to fail pull requests on the
findings of one command only.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgen import __version__
from lockgen.app import App
from lockgen.core.key_path import KeyPath
from lockgen.core.layout import LOCK_PATH, WORKDIR
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Image, Manifest
from lockgen.core.resolution import Request
from lockgen.errors import BadInput, Exit
from lockgen.index.addresses import locked_addresses
from lockgen.index.sources import explicit_indexes
from lockgen.io.output import print_text
from lockgen.io.workspace import Folder
from lockgen.lint import render as rendering
from lockgen.lint.model import CodeFile, Dialect, ImageCode, LintReport
from lockgen.lint.plan import lint
from lockgen.lint.provided_modules import ProvidedModules
from lockgen.lint.python_imports import read_code, runs_python
from lockgen.lint.standard_library import standard_library
from lockgen.lint.wheel_modules import ModuleReader
from lockgen.lock.closure import Closures
from lockgen.lock.loading import missing_lock
from lockgen.lock.reader import parse_lock
from lockgen.lock.requests import request_for
from lockgen.manifest.fingerprints import VERSIONS, Inputs, fingerprints, read_inputs
from lockgen.outputs.generated_files import GeneratedFiles


@dataclass(frozen=True)
class LintOptions:
    """Options of the command line."""

    offline: bool = False
    as_json: bool = False
    as_sarif: bool = False


def run(app: App, options: LintOptions) -> int:
    """Print the findings. Exit.FOUND if there is one; else Exit.TOOL if something could not be checked.

    Raises:
        BadInput: the lock is missing or not up to date with versions.toml.
    """
    if options.as_json and options.as_sarif:
        raise BadInput("--json and --sarif are mutually exclusive", hint="choose one")
    with app.folder.shared():
        inputs = read_inputs(app.folder)
        lock = _read_lock(app.folder, inputs)
        code = _CodeReader(app.folder, inputs.manifest, lock).images()
    reader = _module_reader(app, inputs.manifest, lock, offline=options.offline)
    modules, unknown = reader.read(_packages_to_read(lock, code), offline=options.offline)
    stdlib = standard_library(sys.stdlib_module_names, inputs.manifest.target.python)
    report = lint(inputs.manifest, lock, code, ProvidedModules(modules), unknown, stdlib)
    print_text(_rendered(report, inputs, options))
    if report.findings:
        return Exit.FOUND
    return Exit.TOOL if report.unknown else Exit.DONE


def _rendered(report: LintReport, inputs: Inputs, options: LintOptions) -> str:
    def line_of(path: KeyPath) -> int | None:
        return inputs.place(path).line

    if options.as_json:
        return json.dumps(rendering.as_json(report, line_of), indent=2)
    if options.as_sarif:
        return json.dumps(rendering.as_sarif(report, line_of, __version__), indent=2)
    return rendering.text(report, line_of)


def _read_lock(folder: Folder, inputs: Inputs) -> Lock:
    data = folder.read(LOCK_PATH)
    if data is None:
        raise missing_lock()
    lock = parse_lock(data, LOCK_PATH)
    if lock.inputs != fingerprints(inputs.manifest, folder):
        raise BadInput(f"{VERSIONS} or a record changed since the lock was made", hint="run `lockgen resolve`")
    return lock


def _module_reader(app: App, manifest: Manifest, lock: Lock, *, offline: bool) -> ModuleReader:
    # A source distribution is built with the family's own packages, as `resolve` would build it.
    def build_request(package: Package) -> Request:
        indexes = explicit_indexes(manifest, app.folder, app.http, app.progress, live=False, offline=offline)
        return request_for(manifest, list(package.variants), indexes, {}, offline=offline)

    recorded = {index.name for index in manifest.indexes.values() if index.recorded is not None}
    return ModuleReader(
        http=app.http,
        indexes=locked_addresses(app.http, manifest, lock.indexes),
        recorded=frozenset(recorded),
        target=manifest.target,
        build_request=build_request,
        progress=app.progress,
    )


def _packages_to_read(lock: Lock, code: Mapping[str, ImageCode]) -> list[Package]:
    """The packages of every image that has code."""
    closures = Closures(lock)
    found: dict[str, Package] = {}
    for image in lock.images:
        if image.name not in code or not code[image.name].files:
            continue
        packages = lock.by_variant[image.variant]
        for name in closures.of(image):
            found[packages[name].pin] = packages[name]
    return [found[pin] for pin in sorted(found)]


# -- the code of an image ---------------------------------------------------------------------


class _CodeReader:
    """Reads the code of every image, each file once."""

    def __init__(self, folder: Folder, manifest: Manifest, lock: Lock) -> None:
        self._folder = folder
        self._manifest = manifest
        self._starters = GeneratedFiles(manifest, lock).starters()
        self._known: dict[str, CodeFile] = {}
        self._dialect = Dialect(manifest.target.version, sys.version_info[:2])

    def images(self) -> dict[str, ImageCode]:
        return {name: self._image(image) for name, image in sorted(self._manifest.images.items())}

    def _image(self, image: Image) -> ImageCode:
        chain = self._manifest.chain(image.name)
        # Without repetitions, in the order of the images.
        folders = tuple(dict.fromkeys(path.rstrip("/") for link in chain for path in link.copy))
        paths: list[str] = []
        for copied in folders:
            paths += _code_in(self._folder, copied)
        # The program and self_check.py are in /app, which is on Python's path.
        program_modules = {"self_check"}
        skip_reason = ""
        if image.entrypoint is not None:
            program_modules.add(image.entrypoint.removesuffix(".py"))
            program = f"docker/{image.name}/{image.entrypoint}"
            skip_reason = self._program_fault(program)
            if not skip_reason:
                paths.append(program)
        files = tuple(self._file(path) for path in dict.fromkeys(paths))
        return ImageCode(
            image=image.name,
            files=files,
            folders=folders,
            python_path=_python_path(chain),
            program_modules=frozenset(program_modules),
            skip_reason=skip_reason or _code_fault(image, files),
        )

    def _program_fault(self, program: str) -> str:
        data = self._folder.read(program)
        if data is None:
            return f"{program} does not exist"
        if data == self._starters.get(program):
            return f"{program} is still the template that lockgen wrote"
        return ""

    def _file(self, path: str) -> CodeFile:
        if path not in self._known:
            data = self._folder.read(path)
            if data is None:
                self._known[path] = CodeFile(path, fault="file not found")
            else:
                self._known[path] = read_code(path, data, self._dialect)
        return self._known[path]


def _code_fault(image: Image, files: Sequence[CodeFile]) -> str:
    if any(file.fault for file in files):
        return "some of its code cannot be parsed"
    # A base may have no code: the images on top of it use its packages.
    if not files and image.kind == "stage":
        return "it has no code in this project"
    return ""


def _code_in(folder: Folder, path: str) -> list[str]:
    """The code of a copied folder, or the file itself."""
    if path.endswith(".py"):
        return [path]
    # The listing of a file is empty.
    paths = folder.listing(path) or [path]
    return [found for found in paths if _is_code(folder, found)]


def _is_code(folder: Folder, path: str) -> bool:
    """A module, a notebook, or a script without a suffix."""
    name = path.rpartition("/")[2]
    if "." not in name:
        return runs_python(_first_line(Path(folder.root, path)))
    if name.endswith(".ipynb"):
        # Jupyter keeps copies of notebooks.
        return "/.ipynb_checkpoints/" not in path
    return name.endswith(".py")


def _first_line(path: Path) -> bytes:
    """The beginning of a regular file, b"" for anything else."""
    # A file without a suffix may be a model of gigabytes, a pipe, or a dead link.
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return b""
        with path.open("rb") as file:
            return file.readline(200)
    except OSError:
        return b""


def _python_path(chain: Sequence[Image]) -> tuple[str, ...]:
    """The folders of the project that the image's PYTHONPATH lists, without /app itself."""
    value = ""
    for link in chain:
        value = link.env.get("PYTHONPATH", value)
    inside = f"{WORKDIR}/"
    entries = [entry for entry in value.split(":") if entry.startswith(inside) and entry.rstrip("/") != WORKDIR]
    return tuple(entry.removeprefix(inside).rstrip("/") for entry in entries)
