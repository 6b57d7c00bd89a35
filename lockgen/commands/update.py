"""`lockgen update`: pull requests for what is due, each resolved and checked before it is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from packaging.version import Version

from lockgen.adapters.clone import LOCAL, Clone, opened, remote_address
from lockgen.adapters.forges import Kind, Token, forge_at, is_its_own, place_of, take_tokens, variables
from lockgen.adapters.http import Http
from lockgen.adapters.osv import API
from lockgen.adapters.published import Uploads
from lockgen.adapters.workspace import Folder
from lockgen.commands import audit, compat
from lockgen.commands.bump import Bumped, Wish, bumped
from lockgen.commands.bump import Options as BumpOptions
from lockgen.commands.check import check
from lockgen.commands.inputs import Inputs, read_inputs
from lockgen.commands.sources import explicit_indexes
from lockgen.errors import BadInput, Exit, NoResolution, Place, ToolFailed
from lockgen.model.bumps import Move
from lockgen.model.lock import Lock
from lockgen.model.matrix import Matrix, Status
from lockgen.model.update import (
    SEEN_BRANCH,
    SEEN_PATH,
    CellChange,
    Group,
    Link,
    Moved,
    Published,
    Story,
    Stuck,
    Waiting,
    Weakness,
)
from lockgen.parsing.lock import parse_lock
from lockgen.parsing.seen import parse_seen
from lockgen.planning import updates as planning
from lockgen.ports import Forge, Progress
from lockgen.rendering import matrix as matrices
from lockgen.rendering import pullrequest as rendering
from lockgen.rendering.lock import LOCK_PATH
from lockgen.rendering.seen import render_seen
from lockgen.updating import Options as Rules
from lockgen.updating import Prepared, Report, Updater, words

LINKS = 20
"""For how many packages a pull request says where their releases can be read about."""


@dataclass(frozen=True)
class Options:
    """What the command line says. ``remote`` is a name that git knows, or "." for the clone itself.

    ``dry_run`` shows everything and changes nothing; ``no_forge`` makes the branches only. ``database`` is a dump of
    OSV that is read instead of asking its ``api``; with ``no_audit`` nobody is asked about vulnerabilities.
    """

    remote: str = "origin"
    dry_run: bool = False
    no_forge: bool = False
    no_audit: bool = False
    database: Path | None = None
    api: str = API
    live: bool = False
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False


def run(root: Path, options: Options, progress: Progress) -> int:
    """Prints what came of each group.

    Raises:
        BadInput: versions.toml, the clone or the surroundings are in no state to work from; nothing was changed.
        ToolFailed: git, an index or the forge failed, after the report of what was done: the next run goes on there.
    """
    here = read_inputs(Folder(root)).manifest.update
    clone, forge = _opened(root, options, here.base, progress)
    with clone.fresh() as base:
        session = _Session(clone, Path(base), options, progress)
        groups, waiting = session.due()
        rules = Rules(session.inputs.manifest.update, clone.project, options.dry_run)
        updater = Updater(clone, forge, session.prepared, rules, progress)
        report = _updated(session, updater, groups)
    progress.step("")
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(report.told, waiting), indent=2))
    else:
        click.echo(rendering.text(report.told, waiting, bodies=options.dry_run), nl=False)
    if report.faults:
        raise ToolFailed.of(report.faults)
    return Exit.DONE


def _opened(root: Path, options: Options, base: str | None, progress: Progress) -> tuple[Clone, Forge | None]:
    """The clone and the forge; None where there is none to be asked.

    Raises:
        BadInput: nobody says where pull requests go, or with which token.
    """
    wanted = read_inputs(Folder(root)).manifest.update.forge
    local = options.remote == LOCAL
    address = "" if local else remote_address(root, options.remote)
    tokens = take_tokens()
    if options.no_forge:
        return _clone(root, options, base, _token_of(address, wanted, tokens)), None
    if local and not options.dry_run:
        raise BadInput(
            "the clone itself has no pull requests",
            hint="`--remote .` goes with --no-forge; name a remote, as in --remote origin",
        )
    try:
        place = place_of(address, wanted)
    except BadInput as error:
        if not options.dry_run:
            raise
        progress.note(f"{error}: nobody knows which pull requests are open")
        return _clone(root, options, base, None), None
    token = tokens.get(place.kind)
    if token is None:
        if not options.dry_run:
            raise BadInput(
                f"there is no token for {place.kind}",
                hint=f"set {variables(place.kind)} in the environment; or make the branches only: --no-forge",
            )
        progress.note(f"without {variables(place.kind)} nobody knows which pull requests are open")
        return _clone(root, options, base, None), None
    clone = _clone(root, options, base, token if is_its_own(place, address) else None)
    return clone, forge_at(place, token, clone.base_name)


def _token_of(address: str, wanted: Kind | None, tokens: Mapping[Kind, Token]) -> Token | None:
    """The token that git may send to the remote, where there is one."""
    try:
        place = place_of(address, wanted)
    except BadInput:
        return None
    return tokens.get(place.kind) if is_its_own(place, address) else None


def _clone(root: Path, options: Options, base: str | None, token: Token | None) -> Clone:
    value, user = (token.value, token.user) if token is not None else (None, "lockgen")
    return opened(root, options.remote, base, value, user)


def _updated(session: _Session, updater: Updater, groups: list[Group]) -> Report:
    faults = []
    if session.sights is not None and not session.options.dry_run:
        try:
            updater.remember(session.sights, session.write_sights)
        except ToolFailed as error:
            faults = list(error.faults)
    report = updater.run(groups)
    report.faults += faults
    return report


class _Session:
    """One run on the base branch, checked out at ``base``."""

    def __init__(self, clone: Clone, base: Path, options: Options, progress: Progress) -> None:
        self.clone, self.base, self.options, self.progress = clone, base, options, progress
        self.folder = Folder(base, progress)
        self.inputs: Inputs = read_inputs(self.folder)
        self.lock = self._locked()
        self.uploads = Uploads(Http(), self.inputs.manifest)
        self.sights: str | None = None
        self._releases: Mapping[str, Sequence[Published]] = {}
        self._before: dict[tuple[str, str], Status] | None = None

    def _locked(self) -> Lock:
        data = self.folder.read(LOCK_PATH)
        if data is None:
            raise BadInput(
                f"{self.clone.base_name} has no lock yet",
                place=Place(LOCK_PATH),
                hint="run `lockgen resolve`, and commit what it writes",
            )
        return parse_lock(data, LOCK_PATH)

    # -- what is due -----------------------------------------------------------

    def due(self) -> tuple[list[Group], list[Waiting]]:
        """The groups with something to move, and what the policy holds back."""
        manifest = self.inputs.manifest
        weaknesses = self._weaknesses()
        self.progress.step("reading the releases of what is pinned")
        market = planning.Market(
            self._published(weaknesses),
            self._seen(),
            weaknesses,
            {package.name: Version(package.version) for package in self.lock.packages},
            now(),
            None if manifest.update.move_cut_off else manifest.exclude_newer,
        )
        self._releases = market.published
        sights = planning.unseen(market, manifest)
        if manifest.update.waits and (sights or market.seen):
            self.sights = render_seen(sights)
        return planning.due(manifest, manifest.update, market)

    def _published(self, weaknesses: Mapping[str, object]) -> dict[str, tuple[Published, ...]]:
        manifest = self.inputs.manifest
        indexes = explicit_indexes(
            manifest,
            self.folder,
            Http(),
            self.progress,
            live=self.options.live,
            offline=False,
            targets=[manifest.target],
        )
        wanted = {name: unit.variants for name, unit in planning.movable(manifest).items()}
        for package in self.lock.packages:
            if package.name in weaknesses:
                wanted.setdefault(package.name, package.variants)
        found = {}
        for name, variants in sorted(wanted.items()):
            named = {manifest.index_of(name, variant) for variant in variants}
            routes = [indexes[index.name] if index is not None else None for index in named]
            found[name] = self.uploads.of(name, routes)
        return found

    def _seen(self) -> dict[str, dict[str, datetime]]:
        """What earlier runs saw first, from the branch that keeps it."""
        name = self.inputs.manifest.update.prefix + SEEN_BRANCH
        head = self.clone.heads(name).get(name)
        data = self.clone.read(head.commit, SEEN_PATH) if head is not None else self.folder.read(SEEN_PATH)
        return parse_seen(data, f"{name}:{SEEN_PATH}") if data is not None else {}

    def write_sights(self, folder: str) -> None:
        """Writes the record of first sights into a fresh folder."""
        Folder(folder).replace({SEEN_PATH: (self.sights or render_seen({})).encode()})

    def _weaknesses(self) -> dict[str, list[Weakness]]:
        """Known vulnerabilities by package; none where nobody can be asked, and that is said."""
        if self.options.no_audit:
            return {}
        asking = audit.Options(database=self.options.database, api=self.options.api, no_cache=self.options.no_cache)
        try:
            found = audit.known(self.inputs, self.lock, asking, self.progress)
        except ToolFailed as error:
            self.progress.note(f"nothing is known of vulnerabilities, so none goes before the others: {error}")
            return {}
        weaknesses: dict[str, list[Weakness]] = {}
        for finding in found.open:
            vulnerability = finding.vulnerability
            weakness = Weakness(
                finding.holder.name,
                vulnerability.id,
                tuple(Version(fixed) for fixed in vulnerability.fixed),
                f"https://osv.dev/vulnerability/{vulnerability.record}",
            )
            known = weaknesses.setdefault(finding.holder.name, [])
            if weakness not in known:
                known.append(weakness)
        return weaknesses

    # -- one group -------------------------------------------------------------

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
        manifest = self.inputs.manifest
        if manifest.exclude_newer is None or not manifest.update.move_cut_off:
            return None
        uploaded = [
            release.uploaded
            for name, version in versions.items()
            for release in self._releases.get(name, ())
            if release.version == version and release.uploaded is not None
        ]
        newest = max(uploaded, default=manifest.exclude_newer)
        if newest < manifest.exclude_newer:
            return None
        return f"{newest.astimezone(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"

    def _story(
        self, group: Group, done: Bumped, stuck: tuple[Stuck, ...], cells: tuple[CellChange, ...] | None
    ) -> Story:
        moves = tuple(_moved(move) for move in done.moves) + _opened_ones(done)
        return Story(
            group.name,
            moves,
            done.changes,
            done.weights,
            cells,
            tuple(_ended(group, moves)),
            self._links(moves),
            stuck,
            self.clone.base_name,
        )

    def _links(self, moves: tuple[Moved, ...]) -> tuple[Link, ...]:
        new = {move.name: move.new for move in rendering.packages_of(moves)[:LINKS]}
        found = (self.uploads.news(name, version) for name, version in new.items())
        return tuple(link for link in found if link is not None)

    # -- the matrix ------------------------------------------------------------

    def _cells(self, folder: Folder, done: Bumped) -> tuple[CellChange, ...] | None:
        """The cells of the images that changed, before and after; locks/COMPAT.md is written. None without [compat]."""
        if self.inputs.manifest.compat is None:
            return None
        if self._before is None:
            self.progress.step("the matrix as it is")
            self._before = self._statuses(self.folder)
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
            live=options.live, seconds=options.seconds, jobs=options.jobs, no_cache=options.no_cache
        )
        self.stuck: dict[str, Stuck] = {}
        self._done: Bumped | None = None
        self._asked = 0

    def run(self) -> Bumped | None:
        """What was moved; None where nothing can be, and ``stuck`` says why."""
        choice = planning.choose(self.group, self._resolves)
        newest = {candidate.name: str(candidate.allowed[0]) for candidate in self.group.candidates}
        self.stuck = {name: Stuck(name, newest[name], why) for name, why in choice.stuck.items()}
        if choice.versions and self._done is None:
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


def _moved(move: Move) -> Moved:
    return Moved(move.name, move.old or "-", move.new, "cut-off" if move.kind == "cut-off" else "pin")


def _opened_ones(done: Bumped) -> tuple[Moved, ...]:
    """What has no pin and was taken anew, as it moved."""
    changes = {item.change.name: item.change for item in done.changes.packages}
    found = (changes[name] for name in done.opened if name in changes)
    return tuple(Moved(change.name, change.old or "-", change.new or "-", "locked") for change in found)


def _ended(group: Group, moves: tuple[Moved, ...]) -> list[Weakness]:
    """The vulnerabilities that the moves end."""
    new = {m.name: Version(Version(m.new).public) for m in rendering.packages_of(moves) if m.new != "-"}
    return [
        weakness
        for candidate in group.candidates
        if candidate.name in new
        for weakness in candidate.advisories
        if weakness.fixed and new[candidate.name] >= min(weakness.fixed)
    ]


def now() -> datetime:
    """The moment to which cooldowns are measured."""
    return datetime.now(UTC)
