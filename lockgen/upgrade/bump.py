"""Change pins in versions.toml, and the lock only as far as the new pins require."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import Version

from lockgen.app import App
from lockgen.conflicts import conflict_render as reasons
from lockgen.conflicts import diagnose as explain
from lockgen.conflicts.conflict_search import ConflictSearch, merged
from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.compat_axes import TORCH, Pairs
from lockgen.core.compat_axes import merged as merged_pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.key_path import KeyPath
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.core.sizes import Bytes, Weight
from lockgen.core.target import Target
from lockgen.core.toml_positions import TomlPositions
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, Fault, LockgenError, NoResolution
from lockgen.index.releases import IndexReleases
from lockgen.index.sources import explicit_indexes
from lockgen.io.ownership import refuse_link
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import VERSIONS, Inputs, read_inputs
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs import lock_service as resolving
from lockgen.outputs.pending_files import pending_files
from lockgen.outputs.resolution_options import ResolutionOptions
from lockgen.outputs.shortage_search import placed_shortages
from lockgen.pairs.plan import pairs_of_record
from lockgen.pairs.table import known_pairs
from lockgen.size.plan import layered
from lockgen.upgrade import bump_render as rendering
from lockgen.upgrade.bump_model import Bumped, PinGroup, PinMove, Stay, UpgradeRequest, public
from lockgen.upgrade.bump_requests import NamedVersions, RequestReader, versions_by_name
from lockgen.upgrade.bump_search import BumpSearch, ChosenPins, Pick
from lockgen.upgrade.pin_edits import rewritten
from lockgen.upgrade.pin_groups import AvailableVersions, pin_group_of
from lockgen.upgrade.variant_moves import VariantMoves

_RETRIES = 8
"""How many lower versions are tried if the variants cannot agree on the latest."""


@dataclass(frozen=True)
class BumpOptions:
    """The options of the command line.

    ``variants`` are NAME, whose own pins alone change, or NAME=ACCELERATOR. ``bases`` are VARIANT=IMAGE, or VARIANT for
    the latest of its kind; ``exclude_newer`` is the new cut-off (ISO 8601, with an offset). With ``add_pin`` a package
    without a pin may be named with a version. With ``whole`` either every request changes its pin, or nothing changes.
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
    prove: bool = False
    whole: bool = False


Accept = Callable[[Bumped], bool]
"""Whether to write the result of a bump."""


def always(_: Bumped) -> bool:
    """Accept any result."""
    return True


def bumped(app: App, requests: Sequence[UpgradeRequest], options: BumpOptions, accept: Accept = always) -> Bumped:
    """Edit versions.toml, relock minimally and rewrite all files: everything or nothing.

    Several requests are resolved together, so that what they require of one another counts. Nothing is written with
    ``options.dry_run``, or if ``accept`` rejects the result.

    Raises:
        BadInput: a request names an unknown package, or a held pin.
        NoResolution: no lock has the new pins; the reason is the explanation. Nothing was changed.
        LockgenError: a tool, an index or the disk failed. Nothing was changed.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live are mutually exclusive", hint="choose one")
    with app.folder.shared() if options.dry_run else app.folder.locked():
        return _Bump(app, read_inputs(app.folder), options, accept).run(requests)


@dataclass(frozen=True)
class _Plan:
    """What a bump has to find.

    ``groups`` change: some to the versions in ``chosen``, the ``open_groups`` to the latest that fit. ``added`` are new
    pins. ``opened`` are packages without a pin to resolve again, ``bounds`` their allowed versions.
    """

    groups: Sequence[PinGroup]
    open_groups: Sequence[PinGroup]
    chosen: ChosenPins
    added: Mapping[str, str]
    opened: tuple[str, ...]
    bounds: tuple[str, ...]


@dataclass(frozen=True)
class _Failure:
    """A new versions.toml without a solution."""

    inputs: Inputs
    moves: Sequence[PinMove]
    error: NoResolution


class _Bump:
    """One bump. The folder is locked, so that nothing changes between reading and writing.

    ``manifest`` is the family with the new accelerators and base images of its variants.
    """

    def __init__(self, app: App, inputs: Inputs, options: BumpOptions, accept: Accept) -> None:
        self.app = app
        self.inputs = inputs
        self.options = options
        self.accept = accept
        self.old = resolving.old_lock(app.folder, app.progress)
        self.variant_move = VariantMoves(app, inputs, options).moved()
        self.manifest: Manifest = self.variant_move.manifest
        self.reader = RequestReader(
            inputs=inputs,
            manifest=self.manifest,
            old=self.old,
            only=self.variant_move.only,
            accelerators=self.variant_move.accelerators,
            add_pin=options.add_pin,
        )
        self._is_warm = False
        self._verdicts: list[Verdict] = []

    def run(self, requests: Sequence[UpgradeRequest]) -> Bumped:
        named = self.reader.with_torch(versions_by_name(requests))
        # --base with the current image is a request too, although it changes nothing.
        if not named and not self.variant_move.moves and not self.options.bases:
            raise BadInput(
                "no package to change is given", hint="lockgen bump NAME, or NAME==VERSION; see lockgen outdated"
            )
        groups, unpinned = self.reader.groups(named)
        # Before the search, which can take minutes and fail.
        for note in _unchanged_others(groups):
            self.app.progress.note(note)
        search = self._search()
        allowed: dict[str, list[Version]] = {}
        for request in requests:
            if request.among:
                allowed[request.name] = [parse_version(version) for version in request.among]
        available = replace(search.available(groups), allowed=allowed)
        bounds = tuple(_bound(name, allowed[name], search) for name in allowed if name in unpinned)
        plan = self._plan(groups, named, unpinned, bounds, available)
        return self._resolve(plan, search, available)

    def _plan(
        self,
        groups: Sequence[PinGroup],
        named: NamedVersions,
        unpinned: NamedVersions,
        bounds: tuple[str, ...],
        available: AvailableVersions,
    ) -> _Plan:
        chosen: dict[KeyPath, tuple[str, str]] = {}
        open_groups: list[PinGroup] = []
        for group in groups:
            exact = _exact_versions(group, named)
            if not exact:
                open_groups.append(group)
                continue
            choice = self.reader.exact_choice(group, exact, available)
            for site in group.sites:
                chosen[site.pin.path] = (site.name, choice.of(site))
        added: dict[str, str] = {}
        opened: list[str] = []
        for name, version in unpinned.items():
            if version is None:
                opened.append(name)
            else:
                added[name] = version
                # It has no path in the file yet, but other groups have to fit it.
                chosen["added", name] = (name, version)
        return _Plan(groups, open_groups, chosen, added, tuple(sorted(opened)), bounds)

    def _resolve(self, plan: _Plan, search: BumpSearch, available: AvailableVersions) -> Bumped:
        """The latest versions that every variant accepts, and for which the whole family has a lock."""
        failure: _Failure | None = None
        attempts = 0
        while True:
            attempts += 1
            picks = self._picks(plan, search, available)
            if self.options.whole and any(pick.choice is None for pick in picks):
                raise self._explained(failure or self._unmovable(plan, picks))
            moves = self._moves(plan, picks)
            if not moves and not plan.opened:
                self._require_solution()
                return Bumped((), Changes(), self._stays(picks, available), text=self.inputs.text)
            inputs = self._rewritten(moves)
            try:
                lock = self._lock(inputs, plan)
            except NoResolution as error:
                # The first attempt is explained: later ones are not what was requested.
                failure = failure or _Failure(inputs, moves, error)
                chosen = [(pick.group, pick.choice) for pick in picks if pick.choice is not None]
                if not chosen or attempts > _RETRIES:
                    raise self._explained(failure) from error
                # Each variant accepts the version, but they do not agree on one lock (guarantee 2): try a lower one.
                group, choice = chosen[0]
                available = available.with_only_below(group, choice.version)
            else:
                return self._written(inputs, lock, self._result(plan, picks, moves, inputs, lock, search, available))

    def _require_solution(self) -> None:
        """Raise NoResolution if nothing can move because the present pins have no solution."""
        refused = [verdict.reason for verdict in self._verdicts if verdict.answer is Answer.NO]
        if refused:
            error = NoResolution("the current pins have no solution", reason="\n".join(refused))
            raise self._explained(_Failure(self.inputs, (), error))

    def _result(
        self,
        plan: _Plan,
        picks: Sequence[Pick],
        moves: tuple[PinMove, ...],
        inputs: Inputs,
        lock: Lock,
        search: BumpSearch,
        available: AvailableVersions,
    ) -> Bumped:
        changes = compare(self.old, lock)
        return Bumped(
            moves=moves,
            changes=changes,
            stays=self._stays(picks, available),
            short=tuple(_stay(pick) for pick in picks if pick.choice is not None and pick.reason),
            opened=plan.opened,
            weights=_weights(self.old, lock, changes),
            text=inputs.text,
            newer=self._newer(plan, search, available),
        )

    def _newer(self, plan: _Plan, search: BumpSearch, available: AvailableVersions) -> dict[str, tuple[Version, ...]]:
        """See Bumped.newer."""
        found = {}
        for group in plan.open_groups:
            found[group.name] = tuple(choice.version for choice in available.choices(group))
        packages = self.old.packages if self.old is not None else ()
        for name in plan.opened:
            known = _known_versions(name, search)
            old = max((parse_version(package.version) for package in packages if package.name == name), default=None)
            found[name] = tuple(sorted(version for version in known if _is_upgrade(version, old)))
        return found

    def _stays(self, picks: Iterable[Pick], available: AvailableVersions) -> tuple[Stay, ...]:
        """The pins that do not change, with the variants that could change alone."""
        stays: list[Stay] = []
        for pick in picks:
            if pick.choice is None:
                alone = self._movable_alone(pick.group, available)
                stays.append(replace(_stay(pick), alone=alone))
        return tuple(stays)

    def _movable_alone(self, group: PinGroup, available: AvailableVersions) -> tuple[str, ...]:
        """The variants whose own pins have a newer release, although ``group`` as a whole does not move."""
        found: list[str] = []
        for variant in group.variants:
            own = pin_group_of(self.manifest, group.name, (variant,))
            if own is not None and own.sites != group.sites and available.choices(own):
                found.append(variant)
        return tuple(found)

    # -- the search ------------------------------------------------------------

    def _search(self) -> BumpSearch:
        # With targets an index is read in every version, not only in the pinned one.
        indexes = self._indexes(self.manifest, [self.manifest.target])
        return BumpSearch(
            session=self._conflict_search(self.inputs, indexes).session,
            manifest=self.manifest,
            indexes=indexes,
            releases=IndexReleases(self.app.http),
            pairs=all_pairs(self.app.folder, self.manifest, indexes),
            offline=self.options.offline,
            accelerators=self.variant_move.accelerators,
            settled=explain.is_settled(self.manifest),
        )

    def _indexes(self, manifest: Manifest, targets: Sequence[Target] | None = None) -> dict[str, ExplicitIndex]:
        return explicit_indexes(
            manifest,
            self.app.folder,
            self.app.http,
            self.app.progress,
            live=self.options.live,
            offline=self.options.offline,
            targets=targets,
        )

    def _conflict_search(self, inputs: Inputs, indexes: Mapping[str, ExplicitIndex]) -> ConflictSearch:
        options = explain.SearchOptions(
            offline=self.options.offline,
            live=self.options.live,
            seconds=self.options.seconds,
            jobs=self.options.jobs,
            no_cache=self.options.no_cache,
        )
        return explain.conflict_search(self.app, inputs, options, indexes)

    def _picks(self, plan: _Plan, search: BumpSearch, available: AvailableVersions) -> list[Pick]:
        if not plan.open_groups:
            return []
        names = ", ".join(group.name for group in plan.open_groups)
        self.app.progress.step(f"looking for the latest {names}")
        if not self._is_warm:
            # The resolver's cache is filled once; after that each request takes a tenth of the time.
            self._verdicts = search.warm()
            self._is_warm = True
        return search.newest(plan.open_groups, available, plan.chosen, all_move=self.options.whole)

    def _moves(self, plan: _Plan, picks: Iterable[Pick]) -> tuple[PinMove, ...]:
        """The changes of variants, then of pins in the order of the file, then the new pins."""
        find = TomlPositions(self.inputs.text).find
        pins = _pin_moves(plan, picks)
        pins.sort(key=lambda move: find(move.path) or (0, 0))
        moves = [*self.variant_move.moves, *pins]
        for name, version in sorted(plan.added.items()):
            path = ("pins", name)
            moves.append(PinMove(name, None, version, path))
        return tuple(moves)

    def _rewritten(self, moves: Sequence[PinMove]) -> Inputs:
        text = rewritten(self.variant_move.text, moves)
        return Inputs(text, parse_manifest(text.encode(), VERSIONS))

    # -- no solution -----------------------------------------------------------

    def _unmovable(self, plan: _Plan, picks: Sequence[Pick]) -> _Failure:
        """The file with the latest version of everything: that is what has to be explained."""
        newest = [replace(pick, choice=pick.newest) for pick in picks]
        moves = self._moves(plan, newest)
        names: list[str] = []
        lines: list[str] = []
        for stay in _stays(picks):
            names.append(stay.name)
            lines.append(rendering.stay(stay))
        error = NoResolution(f"{' and '.join(names)} cannot change", reason="\n".join(lines))
        return _Failure(self._rewritten(moves), moves, error)

    def _explained(self, failure: _Failure) -> LockgenError:
        """The output of `lockgen explain` for the edited text; the resolver's message if that finds no conflict."""
        self.app.progress.step("no solution found; looking for the reason")
        inputs = failure.inputs
        lacking = self._lacking(failure)
        if lacking:
            return NoResolution.of(lacking)
        search = self._conflict_search(inputs, self._indexes(inputs.manifest))
        try:
            diagnoses = explain.diagnose_family(search, inputs.manifest)
        except NoResolution as joint:
            # Only together the variants have no solution.
            return joint
        if not any(diagnosis.conflicts for diagnosis in diagnoses):
            return failure.error
        found = [diagnosis for diagnosis in merged(diagnoses) if diagnosis.conflicts]
        message = "no solution found"
        place = None
        if failure.moves:
            message += f" with {', '.join(f'{move.name} {move.new}' for move in failure.moves)}"
            # The line is one of the edited text, which was not written.
            place = replace(inputs.place(failure.moves[0].path), file=f"{VERSIONS}, as it would be")
        return NoResolution(
            message,
            place=place,
            reason=reasons.text(found, explain.constraint_lines(inputs)),
            hint="name all packages that must change together. No files were changed.",
        )

    def _lacking(self, failure: _Failure) -> list[Fault]:
        """What the index lacks of the edited text."""
        if self.options.offline:
            return []
        reason = "\n".join(fault.reason or "" for fault in failure.error.faults)
        faults = placed_shortages(self.app.http, failure.inputs, self.old, reason)
        if not failure.moves:
            return faults
        # The lines are those of the edited text, which was not written.
        file = f"{VERSIONS}, as it would be"
        return [replace(fault, place=replace(fault.place, file=file)) if fault.place else fault for fault in faults]

    # -- the files -------------------------------------------------------------

    def _lock(self, inputs: Inputs, plan: _Plan) -> Lock:
        # Everything but `opened` and what the new pins force keeps its locked version.
        options = ResolutionOptions(
            resolver=self.options.resolver,
            offline=self.options.offline,
            live=self.options.live,
            upgrade_packages=plan.opened,
            bounds=plan.bounds,
            # Several attempts may fail, and the last one is explained.
            looks_up=False,
        )
        return resolving.resolve_lock(self.app, inputs, self.old, options).lock

    def _written(self, inputs: Inputs, lock: Lock, result: Bumped) -> Bumped:
        """``result`` with the files that were written, or that a real run would write."""
        folder = self.app.folder
        pending = pending_files(folder, inputs.manifest, lock)
        wanted, changed = pending.wanted, pending.changed(folder)
        if inputs.text != self.inputs.text:
            # A link would be replaced by a file, and its target would keep the old pins.
            refuse_link(folder, VERSIONS)
            wanted[VERSIONS] = inputs.text.encode()
            changed = sorted({*changed, VERSIONS})
        result = replace(result, files=tuple(changed), lock=lock)
        if self.options.dry_run or not self.accept(result):
            return result
        self.app.progress.step("writing")
        return replace(result, files=tuple(folder.replace(wanted)))


def all_pairs(folder: Folder, manifest: Manifest, indexes: Mapping[str, ExplicitIndex]) -> Pairs:
    """The pair table, completed by the family's own indexes for releases that it does not contain."""
    # The indexes come first: what a person declared in versions.toml overrides them.
    declared = manifest.compat.pairs if manifest.compat is not None else {}
    pairs: Pairs = {}
    for _, index in sorted(indexes.items()):
        if TORCH in index.pages:
            pairs = merged_pairs(pairs, pairs_of_record(index))
    return merged_pairs(pairs, known_pairs(folder, declared))


def _unchanged_others(groups: Iterable[PinGroup]) -> Iterable[str]:
    """A note for each pin of a variant that keeps its version."""
    for group in groups:
        for site in group.others:
            variant = " and ".join(site.variants)
            yield f"{variant} keeps its own pin {site.name} {site.version}; --variant {variant} changes it"


def _exact_versions(group: PinGroup, named: NamedVersions) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for name in group.names:
        version = named.get(name)
        if version is not None:
            found[name] = parse_version(version)
    return found


def _bound(name: str, allowed: Sequence[Version], search: BumpSearch) -> str:
    """A requirement that only ``allowed`` meets, of all versions on the index: for a package without a pin."""
    known = _known_versions(name, search)
    low = min(allowed)
    high = max(allowed)
    # A specifier has no "or", so everything else in between is excluded one by one.
    excluded = [version for version in known.difference(allowed) if low < version < high]
    bound = f"{name}>={low},<={high}"
    for version in sorted(excluded):
        bound += f",!={version}"
    return bound


def _known_versions(name: str, search: BumpSearch) -> set[Version]:
    """The public versions of ``name`` with a file for the target, on the indexes of all variants."""
    known: set[Version] = set()
    for variant in search.variants:
        usable = search.releases.usable(name, search.request(variant))
        known.update(public(parse_version(text)) for text in usable)
    return known


def _is_upgrade(version: Version, old: Version | None) -> bool:
    if old is None:
        return not version.is_prerelease
    return version > public(old) and (old.is_prerelease or not version.is_prerelease)


def _pin_moves(plan: _Plan, picks: Iterable[Pick]) -> list[PinMove]:
    versions = {path: version for path, (_, version) in plan.chosen.items()}
    for pick in picks:
        for site in pick.group.sites:
            versions[site.pin.path] = pick.version_of(site)
    moves: list[PinMove] = []
    for group in plan.groups:
        for site in group.sites:
            version = versions.get(site.pin.path)
            # Compared as versions: "1.0" and "1.0.0" are the same, and the text in the file stays.
            if version is not None and parse_version(version) != site.version:
                moves.append(PinMove(site.name, str(site.version), version, site.pin.path))
    return moves


def _stays(picks: Iterable[Pick]) -> tuple[Stay, ...]:
    """The pins that do not change."""
    return tuple(_stay(pick) for pick in picks if pick.choice is None)


def _stay(pick: Pick) -> Stay:
    current = pick.group.current
    if pick.choice is not None:
        current = pick.choice.version
    newest = None
    if pick.newest is not None:
        newest = str(pick.newest.version)
    return Stay(pick.group.name, str(current), newest, pick.reason)


def _weights(old: Lock | None, new: Lock, changes: Changes) -> tuple[Weight, ...]:
    """The sizes of every image that was changed, added or removed."""
    before = _sizes(old) if old is not None else {}
    after = _sizes(new)
    tags: set[str] = set()
    # An image that was added or removed is not among the changed ones.
    for image in changes.images:
        tags.add(image.tag)
    for whole in (*changes.added, *changes.removed):
        tags.add(whole.tag)
    weights = [Weight(tag, before.get(tag), after.get(tag)) for tag in sorted(tags)]
    return tuple(weights)


def _sizes(lock: Lock) -> dict[str, Bytes]:
    """The whole size of each image."""
    return {image.tag: image.whole for image in layered(lock).images}
