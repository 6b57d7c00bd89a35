"""Turn groups with updates into branches and pull requests, through the ports.

Each group takes a sequence of steps: push, then open or edit, then label. A step is left out if the remote shows that
it was done, so the next run completes a run that was killed between any two steps. A push names the commit that it
replaces. That is the lock between two runs, and it keeps a run from overwriting a commit that lockgen did not make.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from lockgen.core.ports import Progress
from lockgen.core.update_policy import Policy
from lockgen.errors import LockgenError, Refused, ToolFailed
from lockgen.proof.model import ProofBound, RunChange
from lockgen.update import branches
from lockgen.update import commit_message as commits
from lockgen.update import plan as planning
from lockgen.update import pull_request_text as rendering
from lockgen.update.close_reasons import CloseContext
from lockgen.update.closing import BranchCloser
from lockgen.update.first_seen_branch import WriteFirstSeen, record_first_seen
from lockgen.update.forge_requests import ForgeFailed, ask
from lockgen.update.model import (
    Branch,
    GroupOutcome,
    GroupResult,
    PullRequest,
    PullRequestContent,
    RemoteState,
    UnavailableSources,
    UpdateGroup,
)
from lockgen.update.ports import Forge, Repository
from lockgen.update.remote_state import read_remote_state
from lockgen.update.report import Report, error_text


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result of a group in a fresh checkout: the content of its pull request; or None, and ``why``.

    ``why`` is the output of `lockgen explain`; with ``failed`` the findings of `lockgen check`. ``runs`` and ``bounds``
    are what was run.
    """

    content: PullRequestContent | None
    why: str = ""
    failed: bool = False
    runs: tuple[RunChange, ...] = ()
    bounds: tuple[ProofBound, ...] = ()


Prepare = Callable[[UpdateGroup, str], Prepared]
"""Moves a group in a fresh checkout of the project."""


@dataclass(frozen=True)
class UpdateRunOptions:
    """``project`` is the folder of versions.toml in the repository. ``dry_run`` changes nothing anywhere.

    Groups that depend on ``unavailable`` sources stay as they are. ``context`` explains why something is closed.
    """

    policy: Policy
    project: str = "."
    dry_run: bool = False
    unavailable: UnavailableSources = field(default_factory=UnavailableSources)
    context: CloseContext | None = None


class UpdateRun:
    """One run. Without a ``forge`` it pushes branches only.

    ``report`` grows during the run; after an interruption it contains what was done.
    """

    def __init__(
        self,
        repository: Repository,
        forge: Forge | None,
        prepare: Prepare,
        options: UpdateRunOptions,
        progress: Progress,
    ) -> None:
        self.repository, self.forge, self.prepare = repository, forge, prepare
        self.options, self.progress = options, progress
        self.policy = options.policy
        self.report = Report(options.policy)

    def run(self, groups: Sequence[UpdateGroup]) -> Report:
        """Bring branches and pull requests in line with ``groups``, then close those that no group uses.

        A group that fails is reported, and the others go on. If the forge fails, the run ends.
        """
        state = read_remote_state(self.repository, self.forge, self.policy, self.options.project)
        has_forge = self.forge is not None
        left = []
        # Without a forge nothing says why a branch is left over, so nothing is closed.
        if has_forge:
            left = branches.leftover_branches(state, self.policy, groups, self.options.unavailable)
        closing = [name for name in left if branches.may_close(name, state)]
        opened = branches.count_open(state, self.policy, groups, closing, forge=has_forge)
        closer = BranchCloser(
            self.repository, self.forge, self.report, self.options.context, dry_run=self.options.dry_run
        )
        try:
            for group in groups:
                opened += self._update_or_report(group, state, opened)
            for name in left:
                self._close_or_report(closer, name, state, groups)
        except ForgeFailed as error:
            self.report.fail(error.faults)
        return self.report

    def record_first_seen(self, text: str, write: WriteFirstSeen) -> None:
        """Record when releases were first seen: see lockgen.update.first_seen_branch."""
        note = record_first_seen(self.repository, self.report, self.options.project, text, write)
        if note is not None:
            self.progress.note(note)

    def _update_or_report(self, group: UpdateGroup, state: RemoteState, opened: int) -> int:
        try:
            return self._update(group, state, opened)
        except ForgeFailed:
            raise
        except LockgenError as error:
            self._failed(group.name, error)
            return 0

    def _close_or_report(
        self, closer: BranchCloser, name: str, state: RemoteState, groups: Sequence[UpdateGroup]
    ) -> None:
        try:
            closer.close(name, state, groups)
        except ForgeFailed:
            raise
        except LockgenError as error:
            self._failed(name.removeprefix(self.policy.prefix), error)

    def _failed(self, group: str, error: LockgenError) -> None:
        self.report.fail(error.faults)
        self.report.add_outcome(group, GroupOutcome.FAILED, None, error_text(error))

    # -- one group -------------------------------------------------------------

    def _update(self, group: UpdateGroup, state: RemoteState, opened: int) -> int:
        """Update one group. Returns the number of pull requests that it opened: 1 or 0."""
        name = self.policy.prefix + group.name
        # Another project or base owns a branch of this name.
        if name in state.reserved:
            self.report.add_outcome(group.name, GroupOutcome.FOREIGN, state.elsewhere.get(name), state.reserved[name])
            return 0
        request = state.open.get(name)
        # The list of closed pull requests matters only for a group without an open one: it saves a request.
        declined = self._declined(name) if request is None else frozenset()
        decision = branches.decide(
            group,
            self.policy,
            state,
            opened,
            declined,
            self.options.unavailable,
            forge=self.forge is not None,
        )
        if decision.outcome is not None:
            if request is not None:
                self._label(request, decision.missing_labels)
            self.report.add_outcome(group.name, decision.outcome, request, decision.why)
            return 0
        self.progress.step(f"updating {group.name}")
        with self.repository.fresh() as folder:
            prepared = self.prepare(group, folder)
            if prepared.content is None:
                self._report_unresolved(group, request, prepared)
                return 0
            tree = self.repository.tree(folder)
        # The checkout is gone from here on; the tree is in the clone's objects.
        update = _Update(group, prepared.content, tree, name, state.branches.get(name), request)
        return self._publish(update, state, declined, opened)

    def _declined(self, branch: str) -> frozenset[str]:
        """The moves of pull requests that a person closed. Those that lockgen closed do not count."""
        if self.forge is None:
            return frozenset()
        closed = ask(self.forge, lambda forge: forge.declined(branch))
        found = set()
        for request in closed:
            if request.moves is not None and rendering.CLOSED not in request.body:
                found.add(request.moves)
        return frozenset(found)

    def _report_unresolved(self, group: UpdateGroup, request: PullRequest | None, prepared: Prepared) -> None:
        """Report why a group does not resolve, also in its open pull request, which still claims that it does."""
        outcome = GroupOutcome.FAILED if prepared.failed else GroupOutcome.UNRESOLVED
        url = request.url if request is not None else None
        branch = self.policy.prefix + group.name
        self.report.add(
            GroupResult(group.name, outcome, branch, url=url, runs=prepared.runs, bounds=prepared.bounds), prepared.why
        )
        if self.forge is None or self.options.dry_run:
            return
        # Without a marker the text is not lockgen's.
        if request is None or request.mark is None:
            return
        # Unchanged text is not written again: else every run would edit the pull request.
        body = rendering.outdated(request.body, prepared.why, self.repository.base_name)
        if _lines(body) == _lines(request.body):
            return
        title = request.title
        try:
            ask(self.forge, lambda forge: forge.edit(request, title, body))
        except Refused as error:
            self.report.fail(error.faults)

    def _publish(self, update: _Update, state: RemoteState, declined: frozenset[str], opened: int) -> int:
        """Take the steps of a resolved group. Returns the number of pull requests that it opened."""
        content = update.content
        moves = planning.moves_of(content.moves, content.fixed)
        steps = branches.plan_steps(
            update.branch,
            update.request,
            update.tree,
            state.base,
            declined=moves in declined,
            forge=self.forge is not None,
        )
        result = update.result(steps.outcome)
        # A possible security fix was let through, but the versions that resolved fix nothing.
        if steps.adds and opened >= self.policy.max_open and not content.fixed:
            self.report.add(replace(result, outcome=GroupOutcome.LIMITED))
            return 0
        # A dry run shows the text that would be written, with a placeholder for the commit.
        if self.options.dry_run:
            self.report.add(replace(result, body=rendering.body(content, rendering.NO_COMMIT, moves)))
            return int(steps.adds)
        if not (steps.push or steps.open or steps.edit):
            self.report.add(result)
            return 0
        commit = self._pushed(update, steps, moves, state.base)
        if commit is None:
            return 0
        body = rendering.body(content, commit, moves)
        if self.forge is not None:
            try:
                request = self._open_or_edit(self.forge, steps, update, body)
            except Refused as error:
                self._refused(result, error)
                return 0
            result = replace(result, url=request.url)
        self.report.add(replace(result, body=body))
        return int(steps.adds)

    def _pushed(self, update: _Update, steps: branches.Steps, moves: str, base: str) -> str | None:
        """The commit on the branch, pushed if needed. None, after a report, if the remote does not accept it."""
        old = update.branch.head.commit if update.branch is not None else None
        if not steps.push:
            return old or ""
        message = commits.update_message(
            update.content, update.group.key, moves, self.options.project, update.tree, base
        )
        commit = self.repository.commit(update.tree, message)
        result = update.result(steps.outcome)
        try:
            pushed = self.repository.push(update.name, commit, old)
        except ToolFailed as error:
            # A branch may be protected by a rule: the others go on.
            self._refused(result, error)
            return None
        # The lease failed: another run or a person pushed after this run had read the branch.
        if not pushed:
            self.report.add(replace(result, outcome=GroupOutcome.BEATEN))
            return None
        return commit

    def _refused(self, result: GroupResult, error: LockgenError) -> None:
        self.report.fail(error.faults)
        self.report.add(replace(result, outcome=GroupOutcome.FAILED), error_text(error))

    def _open_or_edit(self, forge: Forge, steps: branches.Steps, update: _Update, body: str) -> PullRequest:
        title = rendering.title(update.content)
        request = update.request
        edit = steps.edit
        if request is None:
            request = ask(forge, lambda forge: forge.open(update.name, title, body))
            # If another run was faster, its pull request may describe another commit.
            edit = request.body != body
        current = request
        if edit:
            ask(forge, lambda forge: forge.edit(current, title, body))
        self._label(current, set(self.policy.labels) - current.labels)
        return current

    def _label(self, request: PullRequest, missing: Collection[str]) -> None:
        """Add the missing labels. If the forge refuses, the pull request stays as it is."""
        if self.forge is None or self.options.dry_run or not missing:
            return
        try:
            ask(self.forge, lambda forge: forge.label(request, sorted(missing)))
        except Refused as error:
            self.report.fail(error.faults)


@dataclass(frozen=True, slots=True)
class _Update:
    """A resolved group on its way to a pull request; ``name`` is its branch."""

    group: UpdateGroup
    content: PullRequestContent
    tree: str
    name: str
    branch: Branch | None
    request: PullRequest | None

    def result(self, outcome: GroupOutcome) -> GroupResult:
        return GroupResult(
            group=self.group.name,
            outcome=outcome,
            branch=self.name,
            title=rendering.title(self.content),
            url=self.request.url if self.request is not None else None,
            moves=self.content.moves,
            runs=self.content.runs,
            bounds=self.content.bounds,
        )


def _lines(text: str) -> list[str]:
    """The lines of a text, for a comparison: a forge may change line ends, and drop the last one."""
    return text.strip().splitlines()
