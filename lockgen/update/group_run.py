"""Prepare one group of `lockgen update` in a fresh checkout: bump, fill its cells of the matrix, check, describe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from packaging.version import Version

from lockgen.app import App
from lockgen.audit.model import AuditFinding
from lockgen.check.full_check import check
from lockgen.compat import matrix_run as compat
from lockgen.compat import render as matrices
from lockgen.compat.model import CellStatus, Matrix
from lockgen.core.image_reference import parse_reference
from lockgen.core.layout import COMPAT_PATH, LOCK_PATH
from lockgen.core.parsing import parse_version
from lockgen.core.update_policy import VersionStep
from lockgen.errors import BadInput, ToolFailed
from lockgen.index.model import Published, ReleaseNotes
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import read_inputs
from lockgen.registry.tags import number_of
from lockgen.update import plan as planning
from lockgen.update import pull_request_text as rendering
from lockgen.update.attempt import Attempt, unpinned_moves
from lockgen.update.base_image_updates import after_name
from lockgen.update.model import (
    CellChange,
    KnownVulnerability,
    MovedPin,
    PinKey,
    PullRequestContent,
    Stuck,
    UpdateGroup,
)
from lockgen.update.run import Prepared
from lockgen.update.update_scan import ScanResult, UpdateScan, UpdateScanOptions, vulnerability_of
from lockgen.upgrade.bump_model import Bumped, PinMove, public
from lockgen.upgrade.proving import UpgradeProof

LINKS = 20
"""The maximum number of packages whose release notes a pull request links to."""

_Statuses = dict[tuple[str, str], CellStatus]
"""The status of each group of images, by cell and group."""

_Audited = Sequence[tuple[AuditFinding, KnownVulnerability]]


class _Vulnerabilities(NamedTuple):
    """The vulnerabilities that an update fixes, leaves and introduces."""

    fixed: tuple[KnownVulnerability, ...] = ()
    remaining: tuple[KnownVulnerability, ...] = ()
    introduced: tuple[KnownVulnerability, ...] = ()


class GroupRun:
    """Prepares groups, from the result of a scan of the base branch. ``proof`` is None if updates need only resolve."""

    def __init__(
        self, scan: UpdateScan, found: ScanResult, options: UpdateScanOptions, app: App, proof: UpgradeProof | None
    ) -> None:
        self.proof = proof
        self.scan, self.found = scan, found
        self.options, self.app, self.progress = options, app, app.progress
        self.manifest = scan.inputs.manifest
        self._before: _Statuses | None = None

    def prepare(self, group: UpdateGroup, folder: str) -> Prepared:
        """See run.Prepare.

        Raises:
            ToolFailed: the result cannot be determined.
        """
        app = self.app.in_folder(Path(folder))
        checkout = app.folder
        attempt = Attempt(group, app, self.options, self._cut_off_for, self.proof)
        result = attempt.run()
        if result.done is None:
            why = "\n".join(_stuck_lines(result.stuck))
            return Prepared(None, why, runs=result.runs, bounds=result.bounds)
        # The matrix is part of what `check` compares, so it is written first.
        cells = self._cells(app, result.done)
        findings = check(checkout).findings
        if findings:
            messages = "\n".join(finding.message for finding in findings)
            return Prepared(None, f"it resolves, but `lockgen check` reports:\n{messages}", failed=True)
        content = self._content(group, checkout, result.done, result.stuck, cells)
        return Prepared(replace(content, runs=result.runs, bounds=result.bounds))

    def _cut_off_for(self, versions: Mapping[str, Collection[Version]]) -> str | None:
        """The family's cut-off that includes ``versions``: one second after the latest upload. None to leave it."""
        cut_off = self.manifest.exclude_newer
        if cut_off is None or not self.manifest.update.move_cut_off:
            return None
        wanted: list[Published] = []
        for key, releases in self.found.releases.items():
            chosen = versions.get(key.name, ())
            wanted += [release for release in releases if public(release.version) in chosen]
        uploads = [release.uploaded for release in wanted if release.uploaded is not None]
        newest = max(uploads, default=None)
        if newest is None or newest < cut_off:
            return None
        # The cut-off excludes its own moment.
        return f"{newest.astimezone(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"

    # -- the pull request ------------------------------------------------------

    def _content(
        self,
        group: UpdateGroup,
        folder: Folder,
        done: Bumped,
        stuck: tuple[Stuck, ...],
        cells: tuple[CellChange, ...] | None,
    ) -> PullRequestContent:
        made = [*_moved_pins(done.moves, group.only), *unpinned_moves(done)]
        moves = tuple(self._dated(move, group) for move in made)
        changed = {item.change.name for item in done.changes.packages}
        vulnerabilities = self._vulnerabilities(group, folder, moves, changed)
        return PullRequestContent(
            group=group.name,
            moves=moves,
            changes=done.changes,
            weights=done.weights,
            cells=cells,
            fixed=vulnerabilities.fixed,
            remaining=vulnerabilities.remaining,
            introduced=vulnerabilities.introduced,
            links=self._links(moves),
            stuck=stuck,
            base=self.scan.clone.base_name,
            rebuilt=self._rebuilt(group),
            project=self.scan.clone.project,
        )

    def _rebuilt(self, group: UpdateGroup) -> tuple[str, ...]:
        """The tags of all images on the base images that move."""
        variants = {variant for base in group.bases for variant in base.variants}
        tags = []
        for variant in variants:
            tags += [f"{image.name}:{variant}" for image in self.manifest.images_of(variant)]
        return tuple(sorted(tags))

    def _dated(self, move: MovedPin, group: UpdateGroup) -> MovedPin:
        """``move`` with the size of its step, and the upload time of the new release."""
        if move.kind == "cut-off" or move.old == "-":
            return move
        if move.kind == "base":
            return replace(move, step=_base_step(move))
        new = public(parse_version(move.new))
        step = planning.step_of(parse_version(move.old), new)
        known = self.found.releases.get(PinKey(move.name, group.only), ())
        for release in known:
            if public(release.version) == new:
                return replace(move, step=step, uploaded=release.uploaded)
        return replace(move, step=step)

    def _vulnerabilities(
        self, group: UpdateGroup, folder: Folder, moves: Sequence[MovedPin], changed: Collection[str]
    ) -> _Vulnerabilities:
        """The vulnerabilities of the ``changed`` packages, by comparing an audit of the new lock with the old one."""
        if self.found.unavailable.vulnerabilities:
            return _Vulnerabilities()
        data = folder.read(LOCK_PATH) or b""
        try:
            audit, records = self.scan.auditor.audit(read_inputs(folder), parse_lock(data, LOCK_PATH))
        except ToolFailed as error:
            self.progress.note(f"cannot read the advisories of the new versions of {group.name}: {error}")
            return _from_old_records(group, moves)
        # A package that did not change is not this update's business, whatever advisories it has.
        before = [finding for finding in self.found.findings if finding.package.name in changed]
        old = [(finding, vulnerability_of(finding)) for finding in before]
        new: list[tuple[AuditFinding, KnownVulnerability]] = []
        for finding in audit.open:
            name = finding.package.name
            if name in changed:
                about = vulnerability_of(finding, records.get(name, ()))
                new.append((finding, about))
        remaining, introduced = _split(new, old)
        _, fixed = _split(old, new)
        return _Vulnerabilities(fixed, remaining, introduced)

    def _links(self, moves: tuple[MovedPin, ...]) -> tuple[ReleaseNotes, ...]:
        packages = rendering.packages_of(moves)[:LINKS]
        new = {move.name: move.new for move in packages}
        links = []
        for name, version in new.items():
            link = self.scan.uploads.release_notes(name, version)
            if link is not None:
                links.append(link)
        return tuple(links)

    # -- the matrix ------------------------------------------------------------

    def _cells(self, app: App, done: Bumped) -> tuple[CellChange, ...] | None:
        """Write locks/COMPAT.md, and return the cells of the images that changed. None without [compat]."""
        if self.manifest.compat is None or not done.changes:
            # A base image alone changes no lock, and so no cell.
            return None
        # The base branch is the same for all groups.
        if self._before is None:
            self.progress.step("resolving the matrix of the base branch")
            self._before = self._statuses(self.app)
        self.progress.step("resolving the new matrix")
        after = self._matrix(self._planned(app))
        try:
            compat.write_matrix(app.folder, after)
        except BadInput as error:
            raise ToolFailed.of(error.faults) from error
        return tuple(_cell_changes(self._before, after, done))

    def _statuses(self, app: App) -> _Statuses:
        """The statuses in locks/COMPAT.md if that was made from the current inputs; else the cells are solved."""
        plan = self._planned(app)
        kept = app.folder.read(COMPAT_PATH)
        if kept is not None:
            known = matrices.statuses_of(kept, plan.matrix)
            if known is not None:
                return known
        statuses: _Statuses = {}
        for cell in self._matrix(plan).cells:
            for result in cell.results:
                statuses[cell.name, result.group.name] = result.status
        return statuses

    def _planned(self, app: App) -> compat.Plan:
        return compat.planned(app, read_inputs(app.folder).manifest, self._compat_options())

    def _compat_options(self) -> compat.CompatOptions:
        options = self.options
        return compat.CompatOptions(
            jobs=options.jobs, seconds=options.seconds, live=options.live, no_cache=options.no_cache
        )

    def _matrix(self, plan: compat.Plan) -> Matrix:
        cells = [cell for cell in plan.matrix.cells if not cell.excluded]
        matrix, complete = compat.filled(self.app, plan, cells, self._compat_options())
        if not complete:
            # The user interrupted it: an incomplete matrix must not get into a pull request.
            raise KeyboardInterrupt
        # Excluded cells were not solved, but they belong to the matrix.
        filled = {cell.name: cell for cell in matrix.cells}
        whole = [filled.get(cell.name, cell) for cell in plan.matrix.cells]
        return replace(matrix, cells=tuple(whole))


def _base_step(move: MovedPin) -> VersionStep:
    old = number_of(move.old.partition("@")[0])
    if old is None or not move.number:
        # Only the digest moves.
        return "patch"
    return planning.step_of(old, parse_version(move.number))


def _cell_changes(before: _Statuses, after: Matrix, done: Bumped) -> Iterable[CellChange]:
    touched = {(image.name, image.variant) for image in done.changes.images}
    for cell in after.cells:
        for result in cell.results:
            group = result.group
            if not any((image, group.variant) in touched for image in group.images):
                continue
            old = before.get((cell.name, group.name))
            yield CellChange(
                cell=cell.name,
                group=group.name,
                before=str(old) if old is not None else None,
                after=str(result.status),
                reason=result.reason,
            )


def _stuck_lines(stuck: Iterable[Stuck]) -> list[str]:
    """The reasons why packages are stuck, each once."""
    packages: dict[str, list[str]] = {}
    for one in stuck:
        packages.setdefault(one.why, []).append(f"{one.name} {one.wanted}")
    return [f"{', '.join(names)}: {why}" for why, names in packages.items()]


# -- vulnerabilities -----------------------------------------------------------


def _from_old_records(group: UpdateGroup, moves: Sequence[MovedPin]) -> _Vulnerabilities:
    """The result from the records of the old versions alone: they cannot show what the new versions introduce."""
    new = {move.name: public(parse_version(move.new)) for move in moves if move.kind in ("pin", "locked")}
    fixed: list[KnownVulnerability] = []
    remaining: list[KnownVulnerability] = []
    for candidate in group.candidates:
        if candidate.name not in new:
            continue
        for vulnerability in candidate.vulnerabilities:
            is_fixed = vulnerability.is_fixed_in(new[candidate.name])
            (fixed if is_fixed else remaining).append(vulnerability)
    return _Vulnerabilities(tuple(fixed), tuple(remaining))


def _split(found: _Audited, others: _Audited) -> tuple[tuple[KnownVulnerability, ...], tuple[KnownVulnerability, ...]]:
    """The vulnerabilities of ``found`` that ``others`` contains, and those that it does not."""
    inside: list[KnownVulnerability] = []
    outside: list[KnownVulnerability] = []
    for finding, vulnerability in found:
        same = any(_is_same(finding, other) for other, _ in others)
        (inside if same else outside).append(vulnerability)
    return tuple(dict.fromkeys(inside)), tuple(dict.fromkeys(outside))


def _is_same(finding: AuditFinding, other: AuditFinding) -> bool:
    """Whether both are the same vulnerability of the same package, in any version. An advisory has several ids."""
    if finding.package.name != other.package.name:
        return False
    return bool(set(finding.vulnerability.ids) & set(other.vulnerability.ids))


# -- moves ---------------------------------------------------------------------


def _moved_pins(moves: Iterable[PinMove], only: tuple[str, ...]) -> Iterable[MovedPin]:
    """The moves as a pull request lists them: a base image once, with all variants that use it."""
    bases: dict[_BaseMove, list[str]] = {}
    for move in moves:
        if move.kind == "base":
            # The name of such a move is the variant.
            bases.setdefault(_base_move(move), []).append(move.name)
            continue
        kind: Literal["pin", "cut-off"] = "cut-off" if move.kind == "cut-off" else "pin"
        yield MovedPin(move.name, move.old or "-", move.new, kind, only)
    for base, variants in bases.items():
        number = number_of(base.new.partition("@")[0])
        yield MovedPin(
            name=base.name,
            old=base.old,
            new=base.new,
            kind="base",
            variants=tuple(variants),
            number=str(number or ""),
        )


class _BaseMove(NamedTuple):
    """A base image without tag, and the tag and digest before and after."""

    name: str
    old: str
    new: str


def _base_move(move: PinMove) -> _BaseMove:
    old = parse_reference(move.old or "")
    new = parse_reference(move.new)
    return _BaseMove(new.name, after_name(old), after_name(new))
