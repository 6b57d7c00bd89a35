"""`lockgen bump`: pins of versions.toml to other versions, and a lock that changes only by what that forces."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockgen.adapters.http import Http
from lockgen.adapters.pairtable import known_pairs
from lockgen.adapters.releases import IndexReleases
from lockgen.adapters.workspace import Folder
from lockgen.bumping import Chooser, Pick
from lockgen.commands import explain
from lockgen.commands import resolve as resolving
from lockgen.commands.inputs import VERSIONS, Inputs, read_inputs
from lockgen.commands.pairs import pairs_of_record
from lockgen.commands.sources import explicit_indexes
from lockgen.errors import BadInput, Exit, LockgenError, NoResolution
from lockgen.explaining import Explainer, merged
from lockgen.model import bumps
from lockgen.model.accelerator import FAMILY
from lockgen.model.bumps import Bumped, Choice, Move, Seat, Stay, Unit, Weight, Wish
from lockgen.model.changes import Changes
from lockgen.model.compat import Pairs
from lockgen.model.compat import merged as merged_pairs
from lockgen.model.lock import Lock
from lockgen.model.manifest import Manifest
from lockgen.parsing.manifest import close_match, parse_manifest
from lockgen.parsing.places import Places
from lockgen.planning.changes import compare
from lockgen.planning.edits import Edit, edited, with_pin
from lockgen.planning.sizes import layered
from lockgen.planning.solve import order_of_variants
from lockgen.planning.units import Market, unit_of
from lockgen.ports import ExplicitIndex, Progress
from lockgen.rendering import bumps as rendering
from lockgen.rendering import conflicts as reasons

Given = dict[bumps.Path, tuple[str, str]]
"""Pins that have their version: path to name and version."""


@dataclass(frozen=True)
class Options:
    """What the command line says. ``variants`` are NAME, whose own pins alone move, or NAME=ACCELERATOR.

    ``bases`` are VARIANT=IMAGE; ``add_pin`` lets a version be named for what has no pin. Without
    ``explain`` a failure has the resolver's own words.
    """

    variants: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    add_pin: bool = False
    dry_run: bool = False
    offline: bool = False
    live: bool = False
    resolver: str = "uv"
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False
    explain: bool = True


def run(root: Path, words: Sequence[str], options: Options, progress: Progress) -> int:
    """Moves what ``words`` say (NAME, NAME==VERSION), and prints the difference for each image, sizes included.

    Raises:
        BadInput: a word is none, or names what cannot be moved.
        NoResolution: with what `lockgen explain` says of it.
        LockgenError: nothing was written.
    """
    done = bumped(Folder(root, progress), [wish(word) for word in words], options, progress)
    progress.step("")
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(done, dry_run=options.dry_run), indent=2))
    else:
        click.echo(rendering.text(done, dry_run=options.dry_run))
    return Exit.DONE


def wish(word: str) -> Wish:
    """ "numpy", or "torch==2.5.1".

    Raises:
        BadInput: it is neither.
    """
    name, equals, version = word.partition("==")
    try:
        known = canonicalize_name(name.strip(), validate=True)
        return Wish(known, str(Version(version)) if equals else None)
    except (InvalidName, InvalidVersion):
        hint = "NAME takes the newest that is allowed, NAME==VERSION that one; with one = or a range nothing is exact"
        raise BadInput(f"{word!r} is neither a package nor a package with its version", hint=hint) from None


def bumped(folder: Folder, wishes: Sequence[Wish], options: Options, progress: Progress) -> Bumped:
    """Edits versions.toml, relocks minimally and writes every file anew: all of it, or nothing.

    Several wishes are one: what they need of one another counts. ``options.dry_run`` writes nothing.

    Raises:
        BadInput: a wish names what is not there, or is held.
        NoResolution: there is no lock with it; the reason is the explanation. Nothing was changed.
        LockgenError: a tool, an index or the disk failed. Nothing was changed.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    with folder.shared() if options.dry_run else folder.locked():
        return _Bump(folder, read_inputs(folder), options, progress).run(wishes)


class _Bump:
    """One bump. The folder is locked, so that nothing changes between reading and writing."""

    def __init__(self, folder: Folder, inputs: Inputs, options: Options, progress: Progress) -> None:
        self.folder, self.inputs, self.options, self.progress = folder, inputs, options, progress
        self.manifest: Manifest = inputs.manifest
        self.old = resolving.old_lock(folder, progress)
        self.only = self._variants()

    def run(self, wishes: Sequence[Wish]) -> Bumped:
        named = _by_name(wishes)
        units, free = self._sorted(named)
        chooser = self._chooser(units)
        given, picks = self._chosen(units, named, chooser)
        added = {name: version for name, version in free.items() if version is not None}
        opened = tuple(sorted(name for name, version in free.items() if version is None))
        moves = [*_moves(units, given, picks), *(Move(n, None, v, ("pins", n)) for n, v in sorted(added.items()))]
        stays = tuple(_stay(pick) for pick in picks if pick.choice is None)
        if not moves and not opened:
            return Bumped((), Changes(), stays, text=self.inputs.text)
        return self._made(moves, stays, opened, chooser)

    # -- what is meant ---------------------------------------------------------

    def _variants(self) -> tuple[str, ...]:
        known = order_of_variants(self.manifest)
        for name in self.options.variants:
            if name not in known:
                raise BadInput(f"there is no variant {name!r} with images", hint=close_match(name, known))
        return self.options.variants

    def _sorted(self, named: Mapping[str, str | None]) -> tuple[list[Unit], dict[str, str | None]]:
        """The units that move, torch's first; and what has no pin, with the version wished for."""
        found: dict[str, Unit] = {}
        free: dict[str, str | None] = {}
        for name, version in named.items():
            unit = unit_of(self.manifest, name, self.only)
            if unit is None or (name not in unit.names and unit_of(self.manifest, name) is None):
                self._check_free(name, version)
                free[name] = version
            else:
                self._check_held(unit, named)
                found[unit.name] = unit
        return sorted(found.values(), key=lambda unit: unit.name not in FAMILY), free

    def _check_free(self, name: str, version: str | None) -> None:
        if self.only and unit_of(self.manifest, name) is not None:
            which = " and ".join(self.only)
            raise BadInput(
                f"{which} has no pin of its own of {name}",
                place=self.inputs.place(("variants", self.only[0])),
                hint="without --variant the pin moves that holds for all",
            )
        asked = {ask.name for image in self.manifest.images.values() for ask in image.packages}
        known = {package.name for package in self.old.packages} if self.old else set()
        known |= asked | {ask.name for ask in self.manifest.common}
        if name not in known:
            pinned = set(self.manifest.pins).union(*(variant.pins for variant in self.manifest.variants.values()))
            raise BadInput(f"nothing is pinned or locked as {name!r}", hint=close_match(name, known | pinned))
        if version is not None and not self.options.add_pin:
            raise BadInput(
                f"{name} has no pin that could become {version}",
                place=self.inputs.place(("pins",)) if self.manifest.pins else None,
                hint=f"--add-pin adds it to [pins]; lockgen bump {name} takes the newest that fits, without a pin",
            )

    def _check_held(self, unit: Unit, named: Mapping[str, str | None]) -> None:
        """A held pin is moved by people only: by whoever names its version."""
        for seat in unit.held:
            if named.get(seat.name) is None:
                raise BadInput(
                    f"{seat.name} {seat.version} is held: only people move it",
                    place=self.inputs.place(seat.pin.path),
                    hint=f"name its version: lockgen bump {seat.name}==VERSION",
                )

    # -- what it comes to ------------------------------------------------------

    def _chooser(self, units: Sequence[Unit]) -> Chooser:
        options = self.options
        http = Http()
        targets = [self.manifest.target]
        indexes = explicit_indexes(
            self.manifest, self.folder, http, self.progress, live=options.live, offline=options.offline, targets=targets
        )
        explainer = self._explainer(self.inputs, indexes)
        pairs = all_pairs(self.folder, self.manifest, indexes)
        return Chooser(explainer.session, self.manifest, indexes, IndexReleases(http), pairs, options.offline)

    def _explainer(self, inputs: Inputs, indexes: Mapping[str, ExplicitIndex]) -> Explainer:
        options = self.options
        asking = explain.Options(
            offline=options.offline,
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
        )
        return explain.prepared(self.folder, inputs, asking, self.progress, indexes)

    def _chosen(
        self, units: Sequence[Unit], named: Mapping[str, str | None], chooser: Chooser
    ) -> tuple[Given, list[Pick]]:
        market = chooser.market(units)
        given: Given = {}
        open_ones: list[Unit] = []
        for unit in units:
            exact = {name: Version(v) for name in unit.names if (v := named.get(name)) is not None}
            if not exact:
                open_ones.append(unit)
                continue
            choice = self._exact(unit, exact, market)
            given |= {seat.pin.path: (seat.name, choice.of(seat)) for seat in unit.seats}
        if not open_ones:
            return given, []
        self.progress.step(f"looking for the newest {', '.join(unit.name for unit in open_ones)}")
        chooser.warm()
        return given, chooser.newest(open_ones, market, given)

    def _exact(self, unit: Unit, exact: Mapping[str, Version], market: Market) -> Choice:
        self._check_accelerator(unit, exact)
        choice = market.choice(unit, exact)
        if choice is None:
            lead = exact.get(unit.name) or market.lead_of(unit, exact)
            lacking = [name for name in unit.names if name not in exact]
            said = ", ".join(f"{name} {version}" for name, version in exact.items())
            words = " ".join([*(f"{n}=={v}" for n, v in exact.items()), *(f"{n}==VERSION" for n in lacking)])
            raise BadInput(
                f"no metadata says which {' and '.join(lacking)} goes with {said}",
                place=self.inputs.place(unit.seats[0].pin.path),
                hint=f"name all of them: lockgen bump {words}; or say it in [compat.pairs.{lead or '…'}]"
                " (`lockgen pairs --refresh` asks the indexes)",
            )
        return choice

    def _check_accelerator(self, unit: Unit, exact: Mapping[str, Version]) -> None:
        """Another local part is another build, often for another accelerator: that is no newer version."""
        for name, version in exact.items():
            seats = [seat for seat in unit.seats if seat.name == name]
            locals_ = {seat.version.local for seat in seats}
            if name in FAMILY and version.local is not None and version.local not in locals_:
                # Whoever names a GPU's build means the variant that has one.
                seat = next((seat for seat in seats if seat.version.local != "cpu"), seats[0])
                raise BadInput(
                    f"{name} {version} is another build than {seat.version}: that is no newer version",
                    place=self.inputs.place(seat.pin.path),
                    hint=f"--variant {seat.variants[0]}={version.local} moves a variant to another accelerator",
                )

    # -- making it so ----------------------------------------------------------

    def _made(
        self, moves: Sequence[Move], stays: tuple[Stay, ...], opened: tuple[str, ...], chooser: Chooser
    ) -> Bumped:
        text = rewritten(self.inputs.text, moves)
        inputs = Inputs(text, parse_manifest(text.encode(), VERSIONS))
        lock = self._locked(inputs, moves, opened)
        changes = compare(self.old, lock)
        _, wanted, pending = resolving.pending_files(self.folder, inputs.manifest, lock)
        wanted[VERSIONS] = text.encode()
        pending = sorted({*pending, *([VERSIONS] if text != self.inputs.text else [])})
        if not self.options.dry_run:
            self.progress.step("writing")
            pending = self.folder.replace(wanted)
        return Bumped(
            moves=tuple(moves),
            changes=changes,
            stays=stays,
            opened=opened,
            weights=_weights(self.old, lock, changes),
            text=text,
            files=tuple(pending),
        )

    def _locked(self, inputs: Inputs, moves: Sequence[Move], opened: tuple[str, ...]) -> Lock:
        options = resolving.Options(
            resolver=self.options.resolver,
            offline=self.options.offline,
            live=self.options.live,
            upgrade_packages=opened,
        )
        try:
            return resolving.resolved(self.folder, inputs, self.old, options, self.progress)
        except NoResolution as error:
            if not self.options.explain:
                raise
            raise self._explained(inputs, moves, error) from error

    def _explained(self, inputs: Inputs, moves: Sequence[Move], error: NoResolution) -> LockgenError:
        """What `lockgen explain` says of the edited text; the resolver's own words where that finds nothing."""
        self.progress.step("there is no solution; looking for the reason")
        indexes = explicit_indexes(
            inputs.manifest,
            self.folder,
            Http(),
            self.progress,
            live=self.options.live,
            offline=self.options.offline,
        )
        explainer = self._explainer(inputs, indexes)
        diagnoses = [explainer.diagnose([variant]) for variant in order_of_variants(inputs.manifest)]
        if not any(diagnosis.conflicts for diagnosis in diagnoses):
            return error
        said = ", ".join(f"{move.name} {move.new}" for move in moves)
        found = [diagnosis for diagnosis in merged(diagnoses) if diagnosis.conflicts]
        place = inputs.place(moves[0].path) if moves else None
        return NoResolution(
            f"there is no solution with {said}" if moves else "there is no solution",
            place=replace(place, file=f"{VERSIONS}, as it would be") if place is not None else None,
            reason=reasons.text(found, explain.lines(inputs)),
            hint="bump together what has to move together; nothing was changed",
        )


def all_pairs(folder: Folder, manifest: Manifest, indexes: Mapping[str, ExplicitIndex]) -> Pairs:
    """The pair table, and under it what the family's own indexes say of releases that it does not know."""
    declared = manifest.compat.pairs if manifest.compat is not None else {}
    pairs: Pairs = {}
    for _, index in sorted(indexes.items()):
        if "torch" in index.pages:
            pairs = merged_pairs(pairs, pairs_of_record(index))
    return merged_pairs(pairs, known_pairs(folder, declared))


def rewritten(text: str, moves: Sequence[Move]) -> str:
    """``text``, a versions.toml, with ``moves`` made; comments, order and quotes stay.

    Raises:
        BadInput: a value cannot be edited without touching more.
    """
    document = tomllib.loads(text)
    edits = [Edit(*_at(document, move.path), move.new) for move in moves if move.old is not None]
    result = edited(text, edits, Places(text).find, VERSIONS) if edits else text
    for move in moves:
        if move.old is None and move.kind == "pin":
            result = with_pin(result, move.name, move.new, Places(result).find, VERSIONS)
    return result


def _at(document: Any, path: bumps.Path) -> tuple[bumps.Path, str]:
    """The path of the string itself, and the string: a pin may be a table."""
    for key in path:
        document = document[key]
    return ((*path, "version"), str(document["version"])) if isinstance(document, dict) else (path, str(document))


def _by_name(wishes: Sequence[Wish]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for one in wishes:
        name = str(canonicalize_name(one.name))
        if name in found and found[name] != one.version:
            raise BadInput(f"{name} is named twice, with two versions", hint="name it once")
        found[name] = one.version
    return found


def _moves(units: Sequence[Unit], given: Given, picks: Iterable[Pick]) -> list[Move]:
    chosen = dict(given)
    for pick in picks:
        if pick.choice is not None:
            chosen |= {seat.pin.path: (seat.name, pick.choice.of(seat)) for seat in pick.unit.seats}
    seats: list[Seat] = [seat for unit in units for seat in unit.seats if seat.pin.path in chosen]
    return [
        Move(seat.name, str(seat.version), chosen[seat.pin.path][1], seat.pin.path)
        for seat in seats
        if Version(chosen[seat.pin.path][1]) != seat.version
    ]


def _stay(pick: Pick) -> Stay:
    newest = str(pick.newest.version) if pick.newest is not None else None
    return Stay(pick.unit.name, str(pick.unit.current), newest, pick.reason)


def _weights(old: Lock | None, new: Lock, changes: Changes) -> tuple[Weight, ...]:
    """Of every image that changed, came or went."""
    before = {image.tag: image.whole for image in layered(old).images} if old is not None else {}
    after = {image.tag: image.whole for image in layered(new).images}
    whole = {image.tag for image in (*changes.added, *changes.removed)}
    tags = {image.tag for image in changes.images} | whole
    return tuple(Weight(tag, before.get(tag), after.get(tag)) for tag in sorted(tags))


__all__ = ["Bumped", "Move", "Options", "Wish", "bumped", "run", "wish"]
