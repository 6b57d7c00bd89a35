"""Resolve versions.toml to a lock, for several commands."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from packaging.utils import canonicalize_name

from lockgen.app import App
from lockgen.core.close_match import close_match
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Fault, LockgenError, NoResolution
from lockgen.index.artifacts import ArtifactReader
from lockgen.index.sources import explicit_indexes
from lockgen.io.workspace import Folder
from lockgen.lock.engine import Engine
from lockgen.lock.reader import is_intact, parse_lock
from lockgen.lock.variant_solver import Unsolved
from lockgen.manifest.fingerprints import Inputs, fingerprints
from lockgen.outputs.resolution_options import REFERENCE, ResolutionOptions
from lockgen.warnings.model import FamilyWarning
from lockgen.warnings.service import family_warnings


def old_lock(folder: Folder, progress: Progress) -> Lock | None:
    """The present lock; None if there is none or it cannot be read, which is noted."""
    data = folder.read(LOCK_PATH)
    if data is None:
        return None
    try:
        lock = parse_lock(data, LOCK_PATH)
    except BadInput as error:
        # A merge may leave the lock in pieces, and resolving is how to repair it.
        progress.note(f"{LOCK_PATH} cannot be read ({error}); resolving without it")
        return None
    if not is_intact(data):
        progress.note(f"{LOCK_PATH} was edited by hand; its versions are preferences only")
    return lock


class Resolved(NamedTuple):
    """A lock, and the warnings about it and versions.toml."""

    lock: Lock
    warnings: list[FamilyWarning]


class Outcome(NamedTuple):
    """What a resolution began with, what it found, and what it noted."""

    inputs: Inputs
    old: Lock | None
    resolved: Resolved
    notes: list[str]


def resolve_lock(app: App, inputs: Inputs, old: Lock | None, options: ResolutionOptions) -> Resolved:
    """Resolve ``inputs``; keep what still fits of ``old``.

    Raises:
        NoResolution: there is none; the fault names images and lines of versions.toml.
        LockgenError: a record, an index or a tool is at fault.
    """
    try:
        return _resolve(app, inputs, old, options)
    except Unsolved as error:
        raise NoResolution.of(_unsolved(app, inputs, old, options, error)) from error
    except LockgenError as error:
        raise type(error).of([_placed(inputs, fault) for fault in error.faults]) from error


def resolution_faults(app: App, inputs: Inputs, old: Lock | None, options: ResolutionOptions) -> list[Fault]:
    """Why ``inputs`` have no solution; nothing if they have one, or if that cannot be found out."""
    try:
        _engine(app, inputs.manifest, old, options, None).resolve(inputs.manifest, {}, old)
    except Unsolved as error:
        return _unsolved(app, inputs, old, options, error)
    except NoResolution as error:
        return [_placed(inputs, fault) for fault in error.faults]
    except LockgenError:
        return []
    return []


def _unsolved(app: App, inputs: Inputs, old: Lock | None, options: ResolutionOptions, error: Unsolved) -> list[Fault]:
    """What the index lacks, if that is the cause; else the reason of the resolver."""
    # Imported here, because few resolutions fail.
    from lockgen.outputs.shortage_search import placed_shortages
    from lockgen.outputs.unsolved_fault import explain_unsolved

    if options.looks_up and not options.offline:
        app.progress.step("no solution found; looking for the reason")
        reason = "\n".join(fault.reason or "" for fault in error.faults)
        lacking = placed_shortages(app.http, inputs, old, reason)
        if lacking:
            return lacking
    return [explain_unsolved(inputs, error.variants, fault) for fault in error.faults]


def _placed(inputs: Inputs, fault: Fault) -> Fault:
    """``fault`` with the line of its path in versions.toml."""
    if fault.path is None or fault.place:
        return fault
    return replace(fault, place=inputs.place(fault.path))


def _resolve(app: App, inputs: Inputs, old: Lock | None, options: ResolutionOptions) -> Resolved:
    manifest = inputs.manifest
    engine = _engine(app, manifest, old, options, ArtifactReader(app.http))
    # Before resolving: a file that changes meanwhile must not get a lock that claims to be of it.
    locked_inputs = fingerprints(manifest, app.folder)
    lock = engine.resolve(manifest, locked_inputs, old)
    if engine.resolver.name != REFERENCE:
        from lockgen.outputs.resolver_comparison import note_differences

        note_differences(engine, app.resolver(REFERENCE), manifest, locked_inputs, old, lock)
    return Resolved(lock, family_warnings(app.folder, inputs, lock, engine.unknown_extras))


def _engine(
    app: App, manifest: Manifest, old: Lock | None, options: ResolutionOptions, artifacts: ArtifactReader | None
) -> Engine:
    folder, progress, http = app.folder, app.progress, app.http
    return Engine(
        resolver=app.resolver(options.resolver),
        metadata=app.metadata(),
        indexes=explicit_indexes(manifest, folder, http, progress, live=options.live, offline=options.offline),
        progress=progress,
        offline=options.offline,
        upgrade=options.upgrade,
        opened=_opened(options.upgrade_packages, manifest, old),
        artifacts=artifacts,
        bounds=options.bounds,
    )


def _opened(names: tuple[str, ...], manifest: Manifest, old: Lock | None) -> frozenset[str]:
    """The packages to upgrade.

    Raises:
        BadInput: one of them is neither locked nor required.
    """
    opened = frozenset(canonicalize_name(name) for name in names)
    if old is None:
        return opened
    locked = {package.name for package in old.packages}
    unknown = sorted(opened - locked - _required(manifest))
    if unknown:
        raise BadInput(f"no package {unknown[0]!r} in the lock", hint=close_match(unknown[0], locked))
    return opened


def _required(manifest: Manifest) -> set[str]:
    """The packages that requirements name. One may be new, and so not locked yet."""
    names = {requirement.name for requirement in manifest.common}
    for image in manifest.images.values():
        names.update(requirement.name for requirement in image.packages)
    return names
