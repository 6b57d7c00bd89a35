"""One group of `lockgen update` in a fresh folder: bumped, its cells of the matrix made, checked, and told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

from packaging.version import Version

from lockgen.app import App
from lockgen.audit.model import AuditFinding
from lockgen.check.full_check import check
from lockgen.compat import matrix_run as compat
from lockgen.compat import render as matrices
from lockgen.compat.model import CellStatus, Matrix
from lockgen.core.image_reference import parse_reference
from lockgen.core.layout import COMPAT_PATH, LOCK_PATH
from lockgen.errors import BadInput, NoResolution, ToolFailed
from lockgen.index.model import ReleaseNotes
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import read_inputs
from lockgen.registry.tags import number_of
from lockgen.update import plan as planning
from lockgen.update import pull_request_text as rendering
from lockgen.update.base_image_updates import after_name
from lockgen.update.model import CellChange, KnownVulnerability, MovedPin, PullRequestContent, Stuck, UpdateGroup
from lockgen.update.run import Prepared, words
from lockgen.update.update_scan import UpdateScan, UpdateScanOptions, weakness_of
from lockgen.upgrade import bump_render as bumps
from lockgen.upgrade.bump_command import Accept, Bumped, BumpOptions, UpgradeRequest, bumped
from lockgen.upgrade.bump_model import PinMove, public

LINKS = 20
"""For how many packages a pull request says where their releases can be read about."""


class GroupRun:
    """Prepares groups, from what one look at the base branch found."""

    def __init__(self, due: UpdateScan, options: UpdateScanOptions, app: App) -> None:
        self.due, self.options, self.app, self.progress = due, options, app, app.progress
        self.manifest = due.inputs.manifest
        self._before: dict[tuple[str, str], CellStatus] | None = None

    def prepared(self, group: UpdateGroup, folder: str) -> Prepared:
        """See updating.Prepare: bump, the matrix, check.

        Raises:
            ToolFailed: what it comes to cannot be told.
        """
        app = self.app.in_folder(Path(folder))
        there = app.folder
        attempt = _Attempt(group, app, self.options, self._cut_off_for)
        done = attempt.run()
        if done is None:
            return Prepared(None, "\n".join(attempt.words()))
        cells = self._cells(app, done)
        findings = check(there)
        if findings:
            told = "\n".join(finding.message for finding in findings)
            return Prepared(None, f"it resolves, and `lockgen check` finds:\n{told}", failed=True)
        return Prepared(self._story(group, there, done, attempt.stuck, cells))

    def _cut_off_for(self, versions: Mapping[str, Collection[Version]]) -> str | None:
        """The family's cut-off that lets ``versions`` in, where it has to move: a second after the newest of them."""
        cut_off = self.manifest.exclude_newer
        if cut_off is None or not self.manifest.update.move_cut_off:
            return None
        uploaded = [
            release.uploaded
            for key, releases in self.due.releases.items()
            for release in releases
            if release.uploaded is not None
            if public(release.version) in versions.get(key.partition(" ")[0], ())
        ]
        newest = max(uploaded, default=None)
        if newest is None or newest < cut_off:
            return None
        return f"{newest.astimezone(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"

    def _story(
        self,
        group: UpdateGroup,
        folder: Folder,
        done: Bumped,
        stuck: tuple[Stuck, ...],
        cells: tuple[CellChange, ...] | None,
    ) -> PullRequestContent:
        moves = tuple(self._dated(move, group) for move in (*_moved(done.moves, group.only), *_opened_ones(done)))
        standing = {variant for base in group.bases for variant in base.variants}
        images = self.manifest.images_of
        changed = {item.change.name for item in done.changes.packages}
        ended, remaining, introduced = self._vulnerabilities(group, folder, moves, changed)
        return PullRequestContent(
            group=group.name,
            moves=moves,
            changes=done.changes,
            weights=done.weights,
            cells=cells,
            advisories=ended,
            remaining=remaining,
            introduced=introduced,
            links=self._links(moves),
            stuck=stuck,
            base=self.due.clone.base_name,
            rebuilt=tuple(sorted(f"{image.name}:{variant}" for variant in standing for image in images(variant))),
            project=self.due.clone.project,
        )

    def _dated(self, move: MovedPin, group: UpdateGroup) -> MovedPin:
        """With its step, and when the new release came up."""
        if move.kind == "cut-off" or move.old == "-":
            return move
        if move.kind == "base":
            old = number_of(move.old.partition("@")[0])
            return replace(move, step=planning.step_of(old, Version(move.number)) if old and move.number else "patch")
        new = public(Version(move.new))
        known = self.due.releases.get(" ".join((move.name, *group.only)), ())
        uploaded = next((release.uploaded for release in known if public(release.version) == new), None)
        return replace(move, step=planning.step_of(Version(move.old), new), uploaded=uploaded)

    def _vulnerabilities(
        self, group: UpdateGroup, folder: Folder, moves: Sequence[MovedPin], changed: Collection[str]
    ) -> _Three:
        """Of what changed: the vulnerabilities that end, those that stay, and those of the new versions."""
        if self.due.blind.weaknesses:
            return (), (), ()
        data = folder.read(LOCK_PATH) or b""
        try:
            audit, records = self.due.auditor.audit(read_inputs(folder), parse_lock(data, LOCK_PATH))
        except ToolFailed as error:
            self.progress.note(f"nobody knows what the new versions of {group.name} are vulnerable to: {error}")
            return _reckoned(group, moves)
        new = [(f, weakness_of(f, records.get(f.package.name, ()))) for f in audit.open if f.package.name in changed]
        old = [(finding, weakness_of(finding)) for finding in self.due.findings if finding.package.name in changed]
        ended = [weakness for finding, weakness in old if not _is_among(finding, new)]
        stay = [weakness for finding, weakness in new if _is_among(finding, old)]
        introduced = [weakness for finding, weakness in new if not _is_among(finding, old)]
        return _unique(ended), _unique(stay), _unique(introduced)

    def _links(self, moves: tuple[MovedPin, ...]) -> tuple[ReleaseNotes, ...]:
        packages = [move for move in rendering.packages_of(moves) if move.kind != "base"]
        new = {move.name: move.new for move in packages[:LINKS]}
        found = (self.due.uploads.release_notes(name, version) for name, version in new.items())
        return tuple(link for link in found if link is not None)

    # -- the matrix ------------------------------------------------------------

    def _cells(self, app: App, done: Bumped) -> tuple[CellChange, ...] | None:
        """The cells of the images that changed, before and after; locks/COMPAT.md is written. None without [compat]."""
        if self.manifest.compat is None or not done.changes:
            return None  # a base image changes no lock, and so no cell
        if self._before is None:
            self.progress.step("the matrix as it is")
            self._before = self._statuses(self.app)
        before = self._before
        self.progress.step("the matrix as it would be")
        after = self._matrix(self._planned(app))
        try:
            compat.write_matrix(app.folder, after)
        except BadInput as error:
            raise ToolFailed.of(error.faults) from error
        touched = {(image.name, image.variant) for image in done.changes.images}
        return tuple(
            CellChange(
                cell.name, result.group.name, str(old) if old is not None else None, str(result.status), result.reason
            )
            for cell in after.cells
            for result in cell.results
            if any((image, result.group.variant) in touched for image in result.group.images)
            for old in (before.get((cell.name, result.group.name)),)
        )

    def _statuses(self, app: App) -> dict[tuple[str, str], CellStatus]:
        """What each group comes to in each cell: told by locks/COMPAT.md, as long as that is of these inputs."""
        plan = self._planned(app)
        kept = app.folder.read(COMPAT_PATH)
        told = matrices.statuses_of(kept, plan.matrix) if kept is not None else None
        if told is not None:
            return told
        made = self._matrix(plan)
        return {(cell.name, result.group.name): result.status for cell in made.cells for result in cell.results}

    def _planned(self, app: App) -> compat.Plan:
        return compat.planned(app, read_inputs(app.folder).manifest, self._asking())

    def _asking(self) -> compat.CompatOptions:
        options = self.options
        return compat.CompatOptions(
            jobs=options.jobs, seconds=options.seconds, live=options.live, no_cache=options.no_cache
        )

    def _matrix(self, plan: compat.Plan) -> Matrix:
        cells = [cell for cell in plan.matrix.cells if not cell.excluded]
        matrix, complete = compat.filled(self.app, plan, cells, self._asking())
        if not complete:
            raise KeyboardInterrupt
        whole = {cell.name: cell for cell in plan.matrix.cells} | {cell.name: cell for cell in matrix.cells}
        return replace(matrix, cells=tuple(whole[cell.name] for cell in plan.matrix.cells))


CutOff = Callable[[Mapping[str, Collection[Version]]], str | None]


class _Attempt:
    """The versions of one group that resolve together, written into its folder."""

    def __init__(self, group: UpdateGroup, app: App, options: UpdateScanOptions, cut_off: CutOff) -> None:
        self.group, self.app, self.cut_off = group, app, cut_off
        self.options = BumpOptions(
            variants=group.only,
            bases=tuple(base for candidate in group.bases for base in candidate.bases),
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
            whole=not group.partial or len(group.candidates) == 1,
        )
        self.stuck: tuple[Stuck, ...] = ()
        self._done: Bumped | None = None

    def run(self) -> Bumped | None:
        """What was moved; None where nothing can be, and ``stuck`` says why."""
        if not self.group.candidates:
            return bumped(self.app, [], self.options)
        found = planning.walk(self.group, self._moved)
        self.stuck = self._told(found)
        if self._done is None and self.group.partial and self.group.bases:
            self._done = bumped(self.app, [], self.options)
        return self._done

    def words(self) -> list[str]:
        """What stands in the way, each thing said once."""
        why: dict[str, list[str]] = {}
        for one in self.stuck:
            why.setdefault(one.why, []).append(f"{one.name} {one.wanted}")
        return [f"{', '.join(names)}: {said}" for said, names in why.items()]

    def _told(self, found: planning.Walk) -> tuple[Stuck, ...]:
        hoped = {candidate.name: str(candidate.allowed[0]) for candidate in self.group.candidates}
        stuck = [Stuck(name, hoped[name], why) for name, why in found.stuck.items()]
        if self._done is not None:
            there = {move.name: str(public(Version(move.new))) for move in self._done.moves if move.kind == "pin"}
            there |= {one.name: one.new for one in _opened_ones(self._done)}
            short = {one.name: one.reason for one in self._done.short} | dict(found.missed)
            stuck += [Stuck(name, hoped[name], why, there[name]) for name, why in short.items() if name in there]
        return tuple(stuck)

    def _moved(
        self, among: Mapping[str, Sequence[Version]], counts: Callable[[Collection[str]], bool]
    ) -> Mapping[str, str]:
        """See planning.Attempt."""
        wishes = [UpgradeRequest(name, None, tuple(map(str, versions))) for name, versions in among.items()]

        def accept(done: Bumped) -> bool:
            return bool(done.moves or done.changes) and counts(_stuck(done).keys())

        try:
            done = self._bumped(wishes, among, accept)
        except (NoResolution, BadInput) as error:
            return dict.fromkeys(among, words(error))
        stuck = _stuck(done)
        if not done.moves and not done.changes:
            return {**dict.fromkeys(among, "there is nothing that it changes"), **stuck}
        if accept(done):
            self._done = done
        return stuck

    def _bumped(
        self, wishes: Sequence[UpgradeRequest], among: Mapping[str, Sequence[Version]], accept: Accept
    ) -> Bumped:
        """With the cut-off where what is chosen needs it: that is known only afterwards."""
        latest = self.cut_off(among)
        options = replace(self.options, exclude_newer=latest)
        if latest is None:
            return bumped(self.app, wishes, options, accept)
        found = bumped(self.app, wishes, replace(options, dry_run=True))
        chosen = {move.name: [public(Version(move.new))] for move in found.moves if move.kind == "pin"}
        chosen |= {one.name: [public(Version(one.new))] for one in _opened_ones(found)}
        exact = [replace(wish, among=tuple(map(str, chosen[wish.name]))) for wish in wishes if wish.name in chosen]
        options = replace(options, exclude_newer=self.cut_off(chosen))
        done = bumped(self.app, exact or wishes, options, lambda one: accept(_with(one, found)))
        return _with(done, found)


def _stuck(done: Bumped) -> dict[str, str]:
    """What does not move, and why."""
    return {one.name: bumps.stay(one) for one in done.stays}


def _with(done: Bumped, found: Bumped) -> Bumped:
    """``done`` with what ``found`` knew of the newest."""
    return replace(done, stays=found.stays, short=found.short)


_Three = tuple[tuple[KnownVulnerability, ...], tuple[KnownVulnerability, ...], tuple[KnownVulnerability, ...]]


def _reckoned(group: UpdateGroup, moves: Sequence[MovedPin]) -> _Three:
    """The same by the records of the old versions alone: they say what ends and what stays."""
    new = {move.name: public(Version(move.new)) for move in moves if move.kind in ("pin", "locked")}
    known = [weakness for candidate in group.candidates if candidate.name in new for weakness in candidate.advisories]
    ended = [weakness for weakness in known if planning.ends(weakness, new[weakness.package])]
    return tuple(ended), tuple(weakness for weakness in known if weakness not in ended), ()


def _is_among(finding: AuditFinding, others: Sequence[tuple[AuditFinding, KnownVulnerability]]) -> bool:
    """Whether one of ``others`` is the same vulnerability of the same package, whatever its version."""
    ids, name = set(finding.vulnerability.ids), finding.package.name
    return any(other.package.name == name and ids & set(other.vulnerability.ids) for other, _ in others)


def _unique(weaknesses: Iterable[KnownVulnerability]) -> tuple[KnownVulnerability, ...]:
    return tuple(dict.fromkeys(weaknesses))


def _moved(moves: Iterable[PinMove], only: tuple[str, ...]) -> Iterable[MovedPin]:
    """The moves as a pull request tells them: a base image once, with all that stand on it."""
    bases: dict[tuple[str, str, str], list[str]] = {}
    for move in moves:
        if move.kind == "base":
            old, new = parse_reference(move.old or ""), parse_reference(move.new)
            bases.setdefault((new.name, after_name(old), after_name(new)), []).append(move.name)
        else:
            yield MovedPin(move.name, move.old or "-", move.new, "cut-off" if move.kind == "cut-off" else "pin", only)
    for (name, before, after), variants in bases.items():
        number = number_of(after.partition("@")[0])
        yield MovedPin(name, before, after, "base", tuple(variants), str(number or ""))


def _opened_ones(done: Bumped) -> tuple[MovedPin, ...]:
    """What has no pin and was taken anew, as it moved; what nothing needs any more moves nowhere."""
    changes = {item.change.name: item.change for item in done.changes.packages}
    found = (changes[name] for name in done.opened if name in changes)
    return tuple(MovedPin(one.name, one.old or "-", one.new, "locked") for one in found if one.new is not None)
