"""`lockgen lint`: unused packages, and imports without a package.

A separate command next to `audit`: it sends no requests about advisories, judges the team's own code, and a team that
lets the one fail a pull request may only want to be told of the other.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from lockgen import __version__
from lockgen.app import App
from lockgen.core.layout import LOCK_PATH, WORKDIR
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Image, Manifest
from lockgen.core.resolution import Request
from lockgen.errors import BadInput, Exit
from lockgen.index.sources import explicit_indexes
from lockgen.io.workspace import Folder
from lockgen.lint import render as rendering
from lockgen.lint.import_usage import Modules, lint, standard_library
from lockgen.lint.model import CodeFile, ImageCode
from lockgen.lint.python_imports import read_code, runs_python
from lockgen.lint.wheel_modules import ModuleReader
from lockgen.lock.closure import Closures
from lockgen.lock.loading import missing_lock
from lockgen.lock.reader import parse_lock
from lockgen.lock.requests import request_for
from lockgen.manifest.fingerprints import VERSIONS, Inputs, fingerprints, read_inputs
from lockgen.outputs.generated_files import GeneratedFiles, Tree


@dataclass(frozen=True)
class LintOptions:
    """What the command line says."""

    offline: bool = False
    as_json: bool = False
    as_sarif: bool = False


def run(app: App, options: LintOptions) -> int:
    """Print the findings. Exit.FOUND if there is one; else Exit.TOOL if something could not be checked.

    Raises:
        BadInput: the lock is missing or not up to date with versions.toml.
    """
    if options.as_json and options.as_sarif:
        raise BadInput("--json and --sarif exclude each other", hint="choose one")
    folder = app.folder
    with folder.shared():
        inputs = read_inputs(folder)
        lock = _lock(folder, inputs)
        codes = _codes(folder, inputs.manifest, GeneratedFiles(inputs.manifest, lock).starters())
    manifest = inputs.manifest
    recorded = frozenset(index.name for index in manifest.indexes.values() if index.recorded is not None)

    def surroundings(package: Package) -> Request:
        indexes = explicit_indexes(manifest, folder, app.http, app.progress, live=False, offline=options.offline)
        return request_for(manifest, list(package.variants), indexes, {}, offline=options.offline)

    reader = ModuleReader(app.http, lock.indexes, recorded, manifest.target, surroundings, app.progress)
    known, unknown = reader.read(_wanted(lock, codes), offline=options.offline)
    stdlib = standard_library(sys.stdlib_module_names, manifest.target.python)
    found = lint(manifest, lock, codes, Modules(known), unknown, stdlib)

    def line(path: tuple[str | int, ...]) -> int | None:
        return inputs.place(path).line

    if options.as_json:
        click.echo(json.dumps(rendering.as_json(found, line), indent=2))
    elif options.as_sarif:
        click.echo(json.dumps(rendering.as_sarif(found, line, __version__), indent=2))
    else:
        click.echo(rendering.text(found, line))
    if found.misfits:
        return Exit.FOUND
    return Exit.TOOL if found.unknown else Exit.DONE


def _lock(folder: Folder, inputs: Inputs) -> Lock:
    data = folder.read(LOCK_PATH)
    if data is None:
        raise missing_lock()
    lock = parse_lock(data, LOCK_PATH)
    if lock.inputs != fingerprints(inputs.manifest, folder):
        raise BadInput(f"{VERSIONS} or a record changed since the lock was made", hint="run `lockgen resolve`")
    return lock


def _wanted(lock: Lock, codes: dict[str, ImageCode]) -> list[Package]:
    """The packages of every image that has code."""
    closures = Closures(lock)
    found: dict[str, Package] = {}
    for image in lock.images:
        if image.name in codes and codes[image.name].files:
            table = lock.by_variant[image.variant]
            found |= {table[name].pin: table[name] for name in closures.of(image)}
    return [package for _, package in sorted(found.items())]


# -- the code of an image ------------------------------------------------------


def _codes(folder: Folder, manifest: Manifest, starters: Tree) -> dict[str, ImageCode]:
    read: dict[str, CodeFile] = {}
    return {name: _code(folder, manifest, image, starters, read) for name, image in sorted(manifest.images.items())}


def _code(folder: Folder, manifest: Manifest, image: Image, starters: Tree, read: dict[str, CodeFile]) -> ImageCode:
    chain = manifest.chain(image.name)
    folders = tuple(dict.fromkeys(path.rstrip("/") for link in chain for path in link.copy))
    paths = [path for one in folders for path in _listed(folder, one)]
    own, unjudged = {"self_check"}, ""
    if image.entrypoint is not None:
        program = f"docker/{image.name}/{image.entrypoint}"
        own.add(image.entrypoint.removesuffix(".py"))
        data = folder.read(program)
        if data is None:
            unjudged = f"{program} is not there"
        elif data == starters.get(program):
            unjudged = f"{program} is still the one that lockgen wrote"
        else:
            paths.append(program)
    files = tuple(_file(folder, path, read) for path in dict.fromkeys(paths))
    if any(file.fault for file in files):
        unjudged = unjudged or "some of its code cannot be read"
    elif not files and image.kind == "stage":
        unjudged = unjudged or "it has no code here"
    return ImageCode(image.name, files, folders, _roots(chain), frozenset(own), unjudged)


def _listed(folder: Folder, path: str) -> Iterable[str]:
    """The code of a copied folder, or the file itself."""
    if path.endswith(".py"):
        return [path]
    return [one for one in folder.listing(path) or [path] if _is_code(folder, one)]


def _is_code(folder: Folder, path: str) -> bool:
    """A module, a notebook, or a script without a suffix."""
    name = path.rpartition("/")[2]
    if "." not in name:
        return runs_python(_first_line(Path(folder.root, path)))
    if name.endswith(".ipynb"):
        return "/.ipynb_checkpoints/" not in path  # copies that Jupyter keeps
    return name.endswith(".py")


def _first_line(path: Path) -> bytes:
    """The beginning of a regular file: what has no suffix may be a model of gigabytes, a pipe, or a dead link."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return b""
        with path.open("rb") as file:
            return file.readline(200)
    except OSError:
        return b""


def _file(folder: Folder, path: str, read: dict[str, CodeFile]) -> CodeFile:
    if path not in read:
        data = folder.read(path)
        read[path] = read_code(path, data) if data is not None else CodeFile(path, fault="it is not there")
    return read[path]


def _roots(chain: tuple[Image, ...]) -> tuple[str, ...]:
    """Folders of the project that PYTHONPATH of the image leads to; those of /app itself are the copied folders."""
    env = {key: value for link in chain for key, value in link.env.items()}
    inside = f"{WORKDIR}/"
    return tuple(
        entry.removeprefix(inside).rstrip("/")
        for entry in env.get("PYTHONPATH", "").split(":")
        if entry.startswith(inside) and entry.rstrip("/") != WORKDIR
    )
