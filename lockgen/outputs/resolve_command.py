"""`lockgen resolve`: versions.toml to the lock and every file that follows from it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

import click
from packaging.utils import canonicalize_name

from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.diff import render as rendering
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, Exit, Fault, LockgenError, NoResolution
from lockgen.index.artifacts import ArtifactReader
from lockgen.index.metadata import MetadataReader
from lockgen.index.sources import explicit_indexes
from lockgen.io.http import Http
from lockgen.io.ownership import refuse_foreign
from lockgen.io.workspace import Folder
from lockgen.lock.blame import Blame, blame
from lockgen.lock.engine import Engine
from lockgen.lock.reader import is_intact, parse_lock
from lockgen.lock.variant_solver import Unsolved
from lockgen.manifest.fingerprints import Inputs, fingerprints, read_inputs
from lockgen.manifest.reader import close_match
from lockgen.outputs.generated_files import GeneratedFiles, Tree
from lockgen.outputs.lock_records import lock_records
from lockgen.outputs.resolver_comparison import REFERENCE, second_opinion
from lockgen.outputs.stale_files import extra_files, stale_files
from lockgen.resolvers import resolver


@dataclass(frozen=True)
class ResolveOptions:
    """What the command line says. ``check`` writes nothing and exits with 1 where something would be written.

    ``bounds`` are other commands': see Engine.
    """

    resolver: str = "uv"
    check: bool = False
    offline: bool = False
    live: bool = False
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    as_json: bool = False
    bounds: tuple[str, ...] = ()


def run(root: Path, options: ResolveOptions, progress: Progress) -> int:
    """Resolves and writes; everything, or nothing at all. Prints what changed to stdout.

    Raises:
        LockgenError: nothing was written.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    folder = Folder(root, progress)
    # --check changes nothing, so it waits for nobody and works where nothing can be written.
    with folder.shared() if options.check else folder.locked():
        inputs = read_inputs(folder)
        old = old_lock(folder, progress)
        lock = resolved(folder, inputs, old, options, progress)
        return _finish(folder, inputs.manifest, old, lock, options, progress)


def old_lock(folder: Folder, progress: Progress) -> Lock | None:
    """The lock that is there, and what is to be told of it; None where there is none that can be read."""
    data = folder.read(LOCK_PATH)
    if data is None:
        return None
    try:
        lock = parse_lock(data, LOCK_PATH)
    except BadInput as error:
        progress.note(f"{LOCK_PATH} cannot be read ({error}); resolving from nothing")
        return None
    if not is_intact(data):
        progress.note(f"{LOCK_PATH} was edited by hand; its versions are taken as wishes only")
    return lock


def resolved(
    folder: Folder,
    inputs: Inputs,
    old: Lock | None,
    options: ResolveOptions,
    progress: Progress,
    http: Http | None = None,
) -> Lock:
    """The lock of ``inputs``; what of ``old`` still fits is kept.

    Raises:
        NoResolution: there is none, in words of images and lines.
        LockgenError: a record, an index or a tool is at fault.
    """
    http = http or Http()
    try:
        return _locked(folder, inputs, old, options, progress, http)
    except Unsolved as error:
        raise NoResolution.of([_in_words(inputs, error, fault) for fault in error.faults]) from error
    except LockgenError as error:
        raise type(error).of([_placed(inputs, fault) for fault in error.faults]) from error


def _placed(inputs: Inputs, fault: Fault) -> Fault:
    return fault if fault.path is None or fault.place else replace(fault, place=inputs.place(fault.path))


def _locked(
    folder: Folder, inputs: Inputs, old: Lock | None, options: ResolveOptions, progress: Progress, http: Http
) -> Lock:
    manifest = inputs.manifest
    engine = Engine(
        resolver=resolver(options.resolver),
        metadata=MetadataReader(http),
        indexes=explicit_indexes(manifest, folder, http, progress, live=options.live, offline=options.offline),
        progress=progress,
        offline=options.offline,
        upgrade=options.upgrade,
        opened=_opened(options.upgrade_packages, inputs, old),
        artifacts=ArtifactReader(http),
        bounds=options.bounds,
    )
    made_of = fingerprints(manifest, folder)
    lock = engine.resolve(manifest, made_of, old)
    _note_idle_pins(manifest, lock, progress)
    if engine.resolver.name != REFERENCE:
        second_opinion(engine, manifest, made_of, old, lock, progress)
    return lock


def _note_idle_pins(manifest: Manifest, lock: Lock, progress: Progress) -> None:
    """A pin that nothing uses may be a misspelt one, and then what was meant is free."""
    locked = {package.name for package in lock.packages}
    pinned = set(manifest.pins).union(*(variant.pins for variant in manifest.variants.values()))
    for name in sorted(pinned - locked):
        near = difflib.get_close_matches(name, locked - pinned, n=1, cutoff=0.8)
        progress.note(f"the pin of {name} holds nothing: no image needs it" + (f"; {near[0]}?" if near else ""))


def _opened(names: tuple[str, ...], inputs: Inputs, old: Lock | None) -> frozenset[str]:
    opened = frozenset(canonicalize_name(name) for name in names)
    known = {package.name for package in old.packages} if old else set()
    asked = {ask.name for image in inputs.manifest.images.values() for ask in image.packages}
    asked |= {ask.name for ask in inputs.manifest.common}
    if old is not None and (unknown := sorted(opened - known - asked)):
        raise BadInput(f"no package {unknown[0]!r} in the lock", hint=close_match(unknown[0], known))
    return opened


def _in_words(inputs: Inputs, error: Unsolved, fault: Fault) -> Fault:
    """The resolver's reason, then each package in it with its pin and who asks for it."""
    reason = fault.reason or ""
    blamed = blame(inputs.manifest, error.variants, reason)
    width = max((len(entry.name) for entry in blamed), default=0)
    lines = [f"{entry.name:{width}}  {_who(inputs, entry)}" for entry in blamed]
    pinned = next((entry.pin for entry in blamed if entry.pin is not None), None)
    asked = next((entry.required_by[0].path for entry in blamed if entry.required_by), None)
    path = pinned.path if pinned is not None else asked
    variants = ", ".join(error.variants)
    hint = fault.hint or "move one of these pins, or give the image that disagrees a variant with pins of its own"
    return Fault(
        f"{fault.message} for the images of {variants}",
        place=inputs.place(path) if path is not None else None,
        reason="\n".join([reason, "", *lines] if lines else [reason]),
        hint=_without_index(inputs.manifest, error, blamed) or hint,
    )


def _without_index(manifest: Manifest, error: Unsolved, blamed: list[Blame]) -> str | None:
    """A hint for a variant that asks the default index for a build that only another one has."""
    for variant in error.variants:
        for name in (entry.name for entry in blamed):
            pin = manifest.pins_of(variant).get(name)
            if pin is None or pin.version.local is None or manifest.index_of(name, variant) is not None:
                continue
            owners = [index for index in manifest.indexes.values() if name in index.packages]
            owners.sort(key=lambda index: (index.accelerator != pin.version.local, index.name))
            if owners:
                return f'{name} {pin.version} is of {owners[0].name}: [variants.{variant}] index = "{owners[0].name}"'
    return None


def _who(inputs: Inputs, entry: Blame) -> str:
    parts = []
    if entry.pin is not None:
        parts.append(f"pinned to {entry.pin.version} at line {inputs.place(entry.pin.path).line}")
    if entry.required_by:
        askers = ", ".join(
            f"{who} (line {inputs.place(path).line}: {text})" for who, text, path in entry.required_by[:6]
        )
        more = f" and {len(entry.required_by) - 6} more" if len(entry.required_by) > 6 else ""
        parts.append(f"asked for by {askers}{more}")
    return "; ".join(parts)


def _finish(
    folder: Folder, manifest: Manifest, old: Lock | None, lock: Lock, options: ResolveOptions, progress: Progress
) -> int:
    tree, wanted, pending = pending_files(folder, manifest, lock)
    changes = compare(old, lock)
    if options.check:
        _report(changes, pending, options)
        return Exit.FOUND if pending else Exit.DONE
    progress.step("writing")
    written = folder.replace(wanted)
    _report(changes, written, options)
    progress.note(_summary(lock, tree, written, extra_files(folder, tree)))
    return Exit.DONE


def pending_files(folder: Folder, manifest: Manifest, lock: Lock) -> tuple[Tree, dict[str, bytes | None], list[str]]:
    """All that ``lock`` comes to; that with what is written once or goes; the paths that are not so yet.

    Raises:
        BadInput: files that are not lockgen's are in the way.
    """
    files = GeneratedFiles(manifest, lock)
    tree = files.tree()
    programs = {path: data for path, data in files.starters().items() if not _is_there(folder, path)}
    refuse_foreign(folder, {**tree, **programs}, lock_records(folder))
    wanted: dict[str, bytes | None] = {**tree, **programs, **dict.fromkeys(stale_files(folder, tree))}
    return tree, wanted, sorted(path for path, data in wanted.items() if folder.read(path) != data)


def _is_there(folder: Folder, path: str) -> bool:
    """Whether there is a file; False too where something else is in its way, which is then refused."""
    try:
        return folder.read(path) is not None
    except BadInput:
        return False


def _report(changes: Changes, paths: list[str], options: ResolveOptions) -> None:
    if options.as_json:
        import json

        data = {"format": 1, "changes": rendering.as_json(changes), "files": paths}
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(rendering.text(changes).rstrip("\n"))
    verb = "would be written" if options.check else "written"
    for path in paths:
        click.echo(f"{path} {verb}")


def _summary(lock: Lock, tree: Tree, written: list[str], extra: list[str]) -> str:
    count = f"{len(lock.packages)} packages for {len(lock.images)} images in {len(tree)} files"
    text = f"{count}: {len(written)} changed" if written else f"{count}: all up to date"
    return "\n".join([text, *(f"not written by lockgen, remove it yourself: {path}" for path in extra)])
