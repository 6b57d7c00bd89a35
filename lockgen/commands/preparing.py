"""One group of `lockgen update` in a fresh folder: bumped, its cells of the matrix made, checked, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, timedelta

from packaging.version import Version

from lockgen.adapters.workspace import Folder
from lockgen.commands import compat
from lockgen.commands.bump import Bumped, Wish, bumped
from lockgen.commands.bump import Options as BumpOptions
from lockgen.commands.check import check
from lockgen.commands.due import Due, Options
from lockgen.commands.inputs import read_inputs
from lockgen.errors import BadInput, NoResolution
from lockgen.model.bumps import Move
from lockgen.model.matrix import Matrix, Status
from lockgen.model.references import parse_reference
from lockgen.model.update import CellChange, Group, Link, Moved, Story, Stuck, Weakness
from lockgen.planning import updates as planning
from lockgen.planning.baseimages import after_name
from lockgen.planning.tags import number_of
from lockgen.ports import Progress
from lockgen.rendering import matrix as matrices
from lockgen.rendering import pullrequest as rendering
from lockgen.updating import Prepared, words

LINKS = 20
"""For how many packages a pull request says where their releases can be read about."""


class Preparing:
    """Prepares groups, from what one look at the base branch found."""

    def __init__(self, due: Due, options: Options, progress: Progress) -> None:
        self.due, self.options, self.progress = due, options, progress
        self.manifest = due.inputs.manifest
        self._before: dict[tuple[str, str], Status] | None = None

    def prepared(self, group: Group, folder: str) -> Prepared:
        """See updating.Prepare: bump, the matrix, check.

        Raises:
            ToolFailed: what it comes to cannot be told.
        """
        attempt = _Attempt(group, Folder(folder, self.progress), self.options, self._cut_off_for, self.progress)
        done = attempt.run()
        stuck = tuple(attempt.stuck.values())
        if done is None:
            return Prepared(None, "\n".join(f"{one.name} {one.wanted}: {one.why}" for one in stuck))
        cells = self._cells(Folder(folder, self.progress), done)
        findings = check(Folder(folder))
        if findings:
            told = "\n".join(finding.message for finding in findings)
            return Prepared(None, f"it resolves, and `lockgen check` finds:\n{told}", failed=True)
        return Prepared(self._story(group, done, stuck, cells))

    def _cut_off_for(self, versions: Mapping[str, Version]) -> str | None:
        """The family's cut-off that lets ``versions`` in, where it has to move: a second after the newest of them."""
        manifest = self.manifest
        if manifest.exclude_newer is None or not manifest.update.move_cut_off:
            return None
        uploaded = [
            release.uploaded
            for key, releases in self.due.releases.items()
            for release in releases
            for version in (versions.get(key.partition(" ")[0]),)
            if release.version == version and release.uploaded is not None
        ]
        newest = max(uploaded, default=manifest.exclude_newer)
        if newest < manifest.exclude_newer:
            return None
        return f"{newest.astimezone(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"

    def _story(
        self, group: Group, done: Bumped, stuck: tuple[Stuck, ...], cells: tuple[CellChange, ...] | None
    ) -> Story:
        moves = (*_moved(done.moves, group.only), *_opened_ones(done))
        standing = {variant for base in group.bases for variant in base.variants}
        images = self.manifest.images_of
        rebuilt = sorted(f"{image.name}:{variant}" for variant in standing for image in images(variant))
        return Story(
            group.name,
            moves,
            done.changes,
            done.weights,
            cells,
            tuple(_ended(group, moves)),
            self._links(moves),
            stuck,
            self.due.clone.base_name,
            tuple(rebuilt),
        )

    def _links(self, moves: tuple[Moved, ...]) -> tuple[Link, ...]:
        packages = [move for move in rendering.packages_of(moves) if move.kind != "base"]
        new = {move.name: move.new for move in packages[:LINKS]}
        found = (self.due.uploads.news(name, version) for name, version in new.items())
        return tuple(link for link in found if link is not None)

    # -- the matrix ------------------------------------------------------------

    def _cells(self, folder: Folder, done: Bumped) -> tuple[CellChange, ...] | None:
        """The cells of the images that changed, before and after; locks/COMPAT.md is written. None without [compat]."""
        if self.manifest.compat is None or not done.changes:
            return None  # a base image changes no lock, and so no cell
        if self._before is None:
            self.progress.step("the matrix as it is")
            self._before = self._statuses(self.due.folder)
        before = self._before
        self.progress.step("the matrix as it would be")
        after = self._matrix(self._planned(folder))
        folder.replace({matrices.COMPAT_PATH: matrices.markdown(after).encode()})
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

    def _statuses(self, folder: Folder) -> dict[tuple[str, str], Status]:
        """What each group comes to in each cell: told by locks/COMPAT.md, as long as that is of these inputs."""
        plan = self._planned(folder)
        kept = folder.read(matrices.COMPAT_PATH)
        told = matrices.statuses_of(kept, plan.matrix) if kept is not None else None
        if told is not None:
            return told
        made = self._matrix(plan)
        return {(cell.name, result.group.name): result.status for cell in made.cells for result in cell.results}

    def _planned(self, folder: Folder) -> compat.Plan:
        return compat.planned(folder, read_inputs(folder).manifest, self._asking(), self.progress)

    def _asking(self) -> compat.Options:
        options = self.options
        return compat.Options(jobs=options.jobs, seconds=options.seconds, live=options.live, no_cache=options.no_cache)

    def _matrix(self, plan: compat.Plan) -> Matrix:
        cells = [cell for cell in plan.matrix.cells if not cell.excluded]
        matrix, complete = compat.filled(plan, cells, self._asking(), self.progress)
        if not complete:
            raise KeyboardInterrupt
        whole = {cell.name: cell for cell in plan.matrix.cells} | {cell.name: cell for cell in matrix.cells}
        return replace(matrix, cells=tuple(whole[cell.name] for cell in plan.matrix.cells))


class _Attempt:
    """The versions of one group that resolve together, written into its folder."""

    def __init__(
        self,
        group: Group,
        folder: Folder,
        options: Options,
        cut_off: Callable[[Mapping[str, Version]], str | None],
        progress: Progress,
    ) -> None:
        self.group, self.folder, self.cut_off, self.progress = group, folder, cut_off, progress
        self.options = BumpOptions(
            variants=group.only,
            bases=tuple(base for candidate in group.bases for base in candidate.bases),
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
        )
        self.stuck: dict[str, Stuck] = {}
        self._done: Bumped | None = None
        self._asked = 0

    def run(self) -> Bumped | None:
        """What was moved; None where nothing can be, and ``stuck`` says why."""
        if self.group.candidates:
            choice = planning.choose(self.group, self._resolves)
            newest = {candidate.name: str(candidate.allowed[0]) for candidate in self.group.candidates}
            self.stuck = {name: Stuck(name, newest[name], why) for name, why in choice.stuck.items()}
            if not choice.versions and not (self.group.partial and self.group.bases):
                return None
        else:
            choice = planning.Choice({}, {})
        if self._done is None:
            self._done = self._bumped(choice.versions, self.options)
        return self._done

    def _resolves(self, versions: Mapping[str, Version]) -> str | None:
        """The first question, all at their newest, is answered by doing it; what is asked after a no only tries."""
        self._asked += 1
        first = self._asked == 1
        try:
            done = self._bumped(versions, replace(self.options, dry_run=not first, explain=first or len(versions) == 1))
        except (NoResolution, BadInput) as error:
            return words(error)
        if not done.moves and not done.changes:
            return "there is nothing that it changes"
        if first:
            self._done = done
        return None

    def _bumped(self, versions: Mapping[str, Version], options: BumpOptions) -> Bumped:
        pinned = {candidate.name for candidate in self.group.candidates if candidate.pinned}
        wishes = [Wish(name, str(version) if name in pinned else None) for name, version in versions.items()]
        return bumped(self.folder, wishes, replace(options, exclude_newer=self.cut_off(versions)), self.progress)


def _moved(moves: Iterable[Move], only: tuple[str, ...]) -> Iterable[Moved]:
    """The moves as a pull request tells them: a base image once, with all that stand on it."""
    bases: dict[tuple[str, str, str], list[str]] = {}
    for move in moves:
        if move.kind == "base":
            old, new = parse_reference(move.old or ""), parse_reference(move.new)
            bases.setdefault((new.name, after_name(old), after_name(new)), []).append(move.name)
        else:
            yield Moved(move.name, move.old or "-", move.new, "cut-off" if move.kind == "cut-off" else "pin", only)
    for (name, before, after), variants in bases.items():
        number = number_of(after.partition("@")[0])
        yield Moved(name, before, after, "base", tuple(variants), str(number or ""))


def _opened_ones(done: Bumped) -> tuple[Moved, ...]:
    """What has no pin and was taken anew, as it moved."""
    changes = {item.change.name: item.change for item in done.changes.packages}
    found = (changes[name] for name in done.opened if name in changes)
    return tuple(Moved(change.name, change.old or "-", change.new or "-", "locked") for change in found)


def _ended(group: Group, moves: tuple[Moved, ...]) -> list[Weakness]:
    """The vulnerabilities that the moves end."""
    packages = [move for move in moves if move.kind in ("pin", "locked") and move.new != "-"]
    new = {move.name: Version(Version(move.new).public) for move in packages}
    return [
        weakness
        for candidate in group.candidates
        if candidate.name in new
        for weakness in candidate.advisories
        if weakness.fixed and new[candidate.name] >= min(weakness.fixed)
    ]
