"""Changing pins in versions.toml, with a lock that changes only by what the new pins force."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.app import App
from lockgen.conflicts import conflict_render as reasons
from lockgen.conflicts import diagnose as explain
from lockgen.conflicts.conflict_search import ConflictSearch, merged
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import Pairs
from lockgen.core.compat_axes import merged as merged_pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.key_path import KeyPath
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.sizes import Weight
from lockgen.core.toml_positions import TomlPositions
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, LockgenError, NoResolution
from lockgen.index.releases import IndexReleases
from lockgen.index.sources import explicit_indexes
from lockgen.io.ownership import refuse_link
from lockgen.io.workspace import Folder
from lockgen.manifest.editor import Edit, edited, with_pin
from lockgen.manifest.fingerprints import VERSIONS, Inputs, read_inputs
from lockgen.manifest.reader import close_match, parse_manifest
from lockgen.outputs import lock_service as resolving
from lockgen.pairs.plan import pairs_of_record
from lockgen.pairs.table import known_pairs
from lockgen.size.plan import layered
from lockgen.upgrade import bump_render as rendering
from lockgen.upgrade.bump_model import Bumped, Choice, PinGroup, PinMove, PinSite, Stay, UpgradeRequest, public
from lockgen.upgrade.bump_search import BumpSearch, Pick
from lockgen.upgrade.pin_groups import AvailableVersions, unit_of
from lockgen.upgrade.variant_moves import VariantMoves

_TRIES = 8
"""How many lower versions are tried where the variants cannot agree on the newest."""

Given = dict[KeyPath, tuple[str, str]]
"""Pins that have their version: path to name and version."""


@dataclass(frozen=True)
class BumpOptions:
    """What the command line says. ``variants`` are NAME, whose own pins alone move, or NAME=ACCELERATOR.

    ``bases`` are VARIANT=IMAGE, or VARIANT for the newest of its kind; ``exclude_newer`` is the new cut-off (ISO 8601,
    with an offset). ``add_pin`` lets a version be named for what has no pin. With ``whole`` every wish moves, or
    nothing does.
    """

    variants: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    exclude_newer: str | None = None
    add_pin: bool = False
    dry_run: bool = False
    offline: bool = False
    live: bool = False
    resolver: str = "uv"
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False
    whole: bool = False


Accept = Callable[[Bumped], bool]
"""Whether what a bump came to shall be written."""


def always(_: Bumped) -> bool:
    """Whatever it came to."""
    return True


def bumped(app: App, wishes: Sequence[UpgradeRequest], options: BumpOptions, accept: Accept = always) -> Bumped:
    """Edit versions.toml, relock minimally and rewrite all files: everything or nothing.

    Several wishes are one: what they need of one another counts. ``options.dry_run`` writes nothing, nor does what
    is not to be ``accept``ed.

    Raises:
        BadInput: a wish names what is not there, or is held.
        NoResolution: no lock has the new pins; the reason is the explanation. Nothing was changed.
        LockgenError: a tool, an index or the disk failed. Nothing was changed.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    with app.folder.shared() if options.dry_run else app.folder.locked():
        return _Bump(app, read_inputs(app.folder), options, accept).run(wishes)


class _Bump:
    """One bump. The folder is locked, so that nothing changes between reading and writing.

    ``manifest`` is the family with the accelerators and base images that its variants are moved to.
    """

    def __init__(self, app: App, inputs: Inputs, options: BumpOptions, accept: Accept = always) -> None:
        self.app, self.inputs, self.options, self.accept = app, inputs, options, accept
        self.old = resolving.old_lock(app.folder, app.progress)
        self.surroundings = VariantMoves(app, inputs, options).moved()
        self.manifest: Manifest = self.surroundings.manifest
        self._warm = False

    def run(self, wishes: Sequence[UpgradeRequest]) -> Bumped:
        named = _by_name(wishes)
        self._imply(named)
        if not named and not self.surroundings.moves and not self.options.bases:
            raise BadInput(
                "nothing to move was named", hint="lockgen bump NAME, or NAME==VERSION; see lockgen outdated"
            )
        units, free = self._sorted(named)
        self._note_others(units)
        chooser = self._chooser(units)
        among = {one.name: [Version(version) for version in one.among] for one in wishes if one.among}
        market = replace(chooser.market(units), only=among)
        bounds = tuple(self._bound(name, versions, chooser) for name, versions in among.items() if name in free)
        given, open_ones = self._given(units, named, market)
        added = {name: version for name, version in free.items() if version is not None}
        opened = tuple(sorted(name for name, version in free.items() if version is None))
        given |= {("added", name): (name, version) for name, version in added.items()}
        failed: tuple[Inputs, Sequence[PinMove], NoResolution] | None = None
        for tries in itertools.count(1):
            picks = self._picked(open_ones, given, chooser, market)
            stuck = [pick for pick in picks if pick.choice is None]
            if self.options.whole and stuck:
                raise self._explained(*(failed or self._hoped(units, given, picks, added)))
            moves = self._moves(units, given, picks, added)
            stays = tuple(_stay(pick) for pick in stuck)
            short = tuple(_stay(pick) for pick in picks if pick.choice is not None and pick.reason)
            if not moves and not opened:
                return Bumped((), Changes(), stays, text=self.inputs.text)
            inputs = self._rewritten(moves)
            try:
                lock = self._locked(inputs, opened, bounds)
            except NoResolution as error:
                # Each variant can have it, but they cannot agree (guarantee 2): try the next lower one.
                failed = failed or (inputs, moves, error)
                tried = next((pick for pick in picks if pick.choice is not None), None)
                if tried is None or tried.choice is None or tries > _TRIES:
                    raise self._explained(*failed) from error
                market = market.below(tried.unit, tried.choice.version)
            else:
                done = Bumped(moves, compare(self.old, lock), stays, short, opened, text=inputs.text)
                return self._made(inputs, lock, done)
        raise AssertionError("unreachable")

    def _rewritten(self, moves: Sequence[PinMove]) -> Inputs:
        text = rewritten(self.surroundings.text, moves)
        return Inputs(text, parse_manifest(text.encode(), VERSIONS))

    def _hoped(
        self, units: Sequence[PinGroup], given: Given, picks: Sequence[Pick], added: Mapping[str, str]
    ) -> tuple[Inputs, Sequence[PinMove], NoResolution]:
        """The file with the newest of everything, which is what shall be explained; and what is known of it already."""
        newest = [replace(pick, choice=pick.newest) for pick in picks]
        moves = self._moves(units, given, newest, added)
        stays = [_stay(pick) for pick in picks if pick.choice is None]
        said = "\n".join(rendering.stay(one) for one in stays)
        error = NoResolution(f"{' and '.join(one.name for one in stays)} cannot move", reason=said)
        return self._rewritten(moves), moves, error

    def _bound(self, name: str, among: Sequence[Version], chooser: BumpSearch) -> str:
        """A requirement that only ``among`` meets, of all that the index has: for what has no pin."""
        requests = [chooser.request(variant) for variant in chooser.variants]
        known = {public(Version(text)) for request in requests for text in chooser.releases.usable(name, request)}
        low, high = min(among), max(among)
        others = sorted(version for version in known - set(among) if low < version < high)
        return ",".join([f"{name}>={low}", f"<={high}", *(f"!={version}" for version in others)])

    def _moves(
        self, units: Sequence[PinGroup], given: Given, picks: Sequence[Pick], added: Mapping[str, str]
    ) -> tuple[PinMove, ...]:
        find = TomlPositions(self.inputs.text).find
        pins = sorted(_moves(units, given, picks), key=lambda move: find(move.path) or (0, 0))
        new = [PinMove(name, None, version, ("pins", name)) for name, version in sorted(added.items())]
        return (*self.surroundings.moves, *pins, *new)

    def _note_others(self, units: Sequence[PinGroup]) -> None:
        for seat in (seat for unit in units for seat in unit.others):
            variant = " and ".join(seat.variants)
            self.app.progress.note(
                f"{variant} keeps {seat.name} {seat.version}, a pin of its own: --variant {variant} moves it"
            )

    # -- what is meant ---------------------------------------------------------

    def _imply(self, named: dict[str, str | None]) -> None:
        """Another accelerator alone means torch as it is, built for that."""
        if self.surroundings.accelerators and not any(name in FAMILY for name in named):
            unit = unit_of(self.inputs.manifest, FAMILY[0], tuple(self.surroundings.accelerators))
            if unit is not None:
                # An index has torch as it is, built for each; the default index has each release once.
                indexed = all(self.manifest.variants[variant].index for variant in self.surroundings.accelerators)
                named[unit.name] = str(unit.current) if indexed else None

    def _only(self, name: str) -> tuple[str, ...]:
        """The variants whose own pins move alone; a named accelerator means torch's."""
        about = self.surroundings
        return about.only if about.only or name not in FAMILY else tuple(about.accelerators)

    def _sorted(self, named: Mapping[str, str | None]) -> tuple[list[PinGroup], dict[str, str | None]]:
        """The units that move, torch's first; and what has no pin, with the version wished for."""
        found: dict[str, PinGroup] = {}
        free: dict[str, str | None] = {}
        for name, version in named.items():
            unit = unit_of(self.manifest, name, self._only(name))
            # torchvision without a pin is not a member of the group, although torch is pinned.
            if unit is None or name not in unit.names:
                self._check_free(name, version)
                free[name] = version
            else:
                self._check_held(unit, named)
                found[unit.name] = unit
        return sorted(found.values(), key=lambda unit: unit.name not in FAMILY), free

    def _check_free(self, name: str, version: str | None) -> None:
        everywhere = unit_of(self.manifest, name)
        if everywhere is not None and name in everywhere.names:
            only = self._only(name)
            raise BadInput(
                f"{' and '.join(only)} has no pin of its own of {name}",
                place=self.inputs.place(("variants", only[0])),
                hint="without --variant the pin moves that holds for all; or give the variant a pin of its own",
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

    def _check_held(self, unit: PinGroup, named: Mapping[str, str | None]) -> None:
        """A held pin moves only if its exact version is named, as a person does."""
        for seat in unit.held:
            if named.get(seat.name) is None:
                raise BadInput(
                    f"{seat.name} {seat.version} is held: only people move it",
                    place=self.inputs.place(seat.pin.path),
                    hint=f"name its version: lockgen bump {seat.name}==VERSION",
                )

    # -- what it comes to ------------------------------------------------------

    def _chooser(self, units: Sequence[PinGroup]) -> BumpSearch:
        options = self.options
        targets = [self.manifest.target]
        indexes = explicit_indexes(
            self.manifest,
            self.app.folder,
            self.app.http,
            self.app.progress,
            live=options.live,
            offline=options.offline,
            targets=targets,
        )
        explainer = self._explainer(self.inputs, indexes)
        pairs = all_pairs(self.app.folder, self.manifest, indexes)
        accelerators = self.surroundings.accelerators
        releases = IndexReleases(self.app.http)
        return BumpSearch(
            session=explainer.session,
            manifest=self.manifest,
            indexes=indexes,
            releases=releases,
            pairs=pairs,
            offline=options.offline,
            accelerators=accelerators,
            settled=explain.is_settled(self.manifest),
        )

    def _explainer(self, inputs: Inputs, indexes: Mapping[str, ExplicitIndex]) -> ConflictSearch:
        options = self.options
        asking = explain.SearchOptions(
            offline=options.offline,
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
        )
        return explain.conflict_search(self.app, inputs, asking, indexes)

    def _given(
        self, units: Sequence[PinGroup], named: Mapping[str, str | None], market: AvailableVersions
    ) -> tuple[Given, list[PinGroup]]:
        """The pins whose version is named, and the units of which the newest is wanted."""
        given: Given = {}
        open_ones: list[PinGroup] = []
        for unit in units:
            exact = {name: Version(v) for name in unit.names if (v := named.get(name)) is not None}
            if exact:
                choice = self._exact(unit, exact, market)
                given |= {seat.pin.path: (seat.name, choice.of(seat)) for seat in unit.seats}
            else:
                open_ones.append(unit)
        return given, open_ones

    def _picked(
        self, open_ones: Sequence[PinGroup], given: Given, chooser: BumpSearch, market: AvailableVersions
    ) -> list[Pick]:
        if not open_ones:
            return []
        self.app.progress.step(f"looking for the newest {', '.join(unit.name for unit in open_ones)}")
        if not self._warm:
            chooser.warm()
            self._warm = True
        return chooser.newest(open_ones, market, given, all_move=self.options.whole)

    def _exact(self, unit: PinGroup, exact: Mapping[str, Version], market: AvailableVersions) -> Choice:
        self._check_build(unit, exact)
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
        self._check_accelerator(unit, choice, market)
        return choice

    def _check_build(self, unit: PinGroup, exact: Mapping[str, Version]) -> None:
        """Another local part is another build, often for another accelerator: that is not a newer version."""
        for name, version in exact.items():
            seats = [seat for seat in unit.seats if seat.name == name]
            known = {seat.version.local for seat in seats} | set(self.surroundings.accelerators.values())
            for variant in (variant for seat in seats for variant in seat.variants):
                index = self.manifest.index_of(name, variant)
                known.add(index.accelerator if index is not None else None)
            if name in FAMILY and version.local is not None and version.local not in known:
                # A named build for a GPU means the variant that has one.
                seat = next((seat for seat in seats if seat.version.local != "cpu"), seats[0])
                raise self._another_build(seat, str(version), version.local)

    def _check_accelerator(self, unit: PinGroup, choice: Choice, market: AvailableVersions) -> None:
        """The default index's torch says nowhere what it is built for, and a newer one may be for another CUDA."""
        for seat in unit.seats:
            wanted = Version(choice.of(seat))
            was, would = market.default_build(seat, seat.version), market.default_build(seat, wanted)
            asked = {self.surroundings.accelerators.get(variant, was) for variant in seat.variants}
            if would is not None and was is not None and would not in asked:
                raise self._another_build(seat, str(wanted), would)

    def _another_build(self, seat: PinSite, version: str, label: str) -> BadInput:
        variant = seat.variants[0] if seat.variants else "VARIANT"
        return BadInput(
            f"{seat.name} {version} is a build for {label}, and {seat.name} {seat.version} is not",
            place=self.inputs.place(seat.pin.path),
            hint=f"--variant {variant}={label} moves a variant to another accelerator",
        )

    # -- making it so ----------------------------------------------------------

    def _made(self, inputs: Inputs, lock: Lock, bumped: Bumped) -> Bumped:
        """``bumped`` with what it weighs and what is written, or would be."""
        _, wanted, pending = resolving.pending_files(self.app.folder, inputs.manifest, lock)
        if inputs.text != self.inputs.text:
            refuse_link(self.app.folder, VERSIONS)
            wanted[VERSIONS] = inputs.text.encode()
            pending = sorted({*pending, VERSIONS})
        done = replace(bumped, weights=_weights(self.old, lock, bumped.changes), files=tuple(pending))
        if not self.options.dry_run and self.accept(done):
            self.app.progress.step("writing")
            return replace(done, files=tuple(self.app.folder.replace(wanted)))
        return done

    def _locked(self, inputs: Inputs, opened: tuple[str, ...], bounds: tuple[str, ...]) -> Lock:
        options = resolving.ResolutionOptions(
            resolver=self.options.resolver,
            offline=self.options.offline,
            live=self.options.live,
            upgrade_packages=opened,
            bounds=bounds,
        )
        return resolving.resolve_lock(self.app, inputs, self.old, options)

    def _explained(self, inputs: Inputs, moves: Sequence[PinMove], error: NoResolution) -> LockgenError:
        """What `lockgen explain` says of the edited text; the resolver's own words where that finds nothing."""
        self.app.progress.step("there is no solution; looking for the reason")
        indexes = explicit_indexes(
            inputs.manifest,
            self.app.folder,
            self.app.http,
            self.app.progress,
            live=self.options.live,
            offline=self.options.offline,
        )
        explainer = self._explainer(inputs, indexes)
        try:
            diagnoses = explain.diagnose_family(explainer, inputs.manifest)
        except NoResolution as apart:
            return apart
        if not any(diagnosis.conflicts for diagnosis in diagnoses):
            return error
        said = ", ".join(f"{move.name} {move.new}" for move in moves)
        found = [diagnosis for diagnosis in merged(diagnoses) if diagnosis.conflicts]
        place = inputs.place(moves[0].path) if moves else None
        return NoResolution(
            f"there is no solution with {said}" if moves else "there is no solution",
            place=replace(place, file=f"{VERSIONS}, as it would be") if place is not None else None,
            reason=reasons.text(found, explain.constraint_lines(inputs)),
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


def rewritten(text: str, moves: Sequence[PinMove]) -> str:
    """``text``, a versions.toml, with ``moves`` made; comments, order and quotes stay.

    Raises:
        BadInput: a value cannot be edited without touching more.
    """
    document = tomllib.loads(text)
    # Additions have no old value, and the cut-off is not a string: both are in the text already, except pins.
    there = [move for move in moves if move.old is not None and move.kind != "cut-off"]
    edits = [Edit(*_at(document, move.path), move.new) for move in there]
    result = edited(text, edits, TomlPositions(text).find, VERSIONS) if edits else text
    for move in moves:
        if move.old is None and move.kind == "pin":
            result = with_pin(result, move.name, move.new, TomlPositions(result).find, VERSIONS)
    return result


def _at(document: Any, path: KeyPath) -> tuple[KeyPath, str]:
    """The path of the string itself, and the string: a pin may be a table."""
    for key in path:
        document = document[key]
    return ((*path, "version"), str(document["version"])) if isinstance(document, dict) else (path, str(document))


def _by_name(wishes: Sequence[UpgradeRequest]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for one in wishes:
        name = str(canonicalize_name(one.name))
        if name in found and _exact(found[name]) != _exact(one.version):
            raise BadInput(f"{name} is named twice, with two versions", hint="name it once")
        found[name] = one.version
    return found


def _exact(version: str | None) -> Version | None:
    return Version(version) if version is not None else None


def _moves(units: Sequence[PinGroup], given: Given, picks: Iterable[Pick]) -> list[PinMove]:
    chosen = dict(given)
    for pick in picks:
        if pick.choice is not None:
            chosen |= {seat.pin.path: (seat.name, pick.choice.of(seat)) for seat in pick.unit.seats}
    seats: list[PinSite] = [seat for unit in units for seat in unit.seats if seat.pin.path in chosen]
    return [
        PinMove(seat.name, str(seat.version), chosen[seat.pin.path][1], seat.pin.path)
        for seat in seats
        if Version(chosen[seat.pin.path][1]) != seat.version
    ]


def _stay(pick: Pick) -> Stay:
    newest = str(pick.newest.version) if pick.newest is not None else None
    there = pick.choice.version if pick.choice is not None else pick.unit.current
    return Stay(pick.unit.name, str(there), newest, pick.reason)


def _weights(old: Lock | None, new: Lock, changes: Changes) -> tuple[Weight, ...]:
    """Of every image that changed, came or went."""
    before = {image.tag: image.whole for image in layered(old).images} if old is not None else {}
    after = {image.tag: image.whole for image in layered(new).images}
    whole = {image.tag for image in (*changes.added, *changes.removed)}
    tags = {image.tag for image in changes.images} | whole
    return tuple(Weight(tag, before.get(tag), after.get(tag)) for tag in sorted(tags))
