"""One run of `lockgen update`: from what is due to branches and pull requests, through the ports.

Each group is a row of steps (push, then open or edit, then label), and each step is left out where the remote shows
that it was done. A push names the commit that it replaces: that is the lock between two runs, and what keeps a run
from overwriting somebody's commit. So a run that is killed between any two steps is completed by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lockgen.core.layout import SEEN_PATH
from lockgen.core.ports import Progress
from lockgen.core.update_policy import SEEN_BRANCH, Policy
from lockgen.errors import Fault, LockgenError, Refused, ToolFailed
from lockgen.update import branches
from lockgen.update import commit_message as commits
from lockgen.update import plan as planning
from lockgen.update import pull_request_text as rendering
from lockgen.update.close_reasons import Known, farewell
from lockgen.update.model import (
    Branch,
    Facts,
    GroupOutcome,
    GroupResult,
    Head,
    PullRequest,
    PullRequestContent,
    SealedCommit,
    UnavailableSources,
    UpdateGroup,
)
from lockgen.update.ports import Forge, Repository

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a group in a fresh folder: its story; or None, and ``why`` in the words of `lockgen explain`.

    ``failed``: it resolves, and `check` finds something.
    """

    story: PullRequestContent | None
    why: str = ""
    failed: bool = False


Prepare = Callable[[UpdateGroup, str], Prepared]
"""Moves a group in a fresh folder of the project."""
WriteSeen = Callable[[str], None]
"""Writes the record of first sights into a fresh folder."""


@dataclass(frozen=True)
class UpdateRunOptions:
    """``project`` is the folder of versions.toml in the repository. ``dry_run`` changes nothing anywhere.

    What the run is ``blind`` to stays as it is. What it has ``known`` says why something is closed.
    """

    policy: Policy
    project: str = "."
    dry_run: bool = False
    blind: UnavailableSources = field(default_factory=UnavailableSources)
    known: Known | None = None


@dataclass
class Report:
    """What came of each group, in order, and what failed on the way."""

    told: list[GroupResult] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class _Over(ToolFailed):
    """The forge as a whole fails: nothing more is asked of it."""


class UpdateRun:
    """``forge`` None makes branches only. ``report`` grows as the run goes on, and holds what was done of one that is
    interrupted.
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
        self.report = Report()
        self._taken: dict[str, str] = {}

    # -- what there is ---------------------------------------------------------

    def facts(self) -> Facts:
        """The branches under the prefix that are this project's or somebody's, and the open pull requests."""
        base = self.repository.base_name
        heads = self.repository.heads(self.policy.prefix)
        found = {name: self._branch(name, head) for name, head in heads.items() if name != base}
        others = {name: b.made.project for name, b in found.items() if b.made is not None and self._is_others(b.made)}
        opened = self.forge.opened(self.policy.prefix) if self.forge is not None else ()
        mine = [request for request in opened if request.branch not in others and request.branch != base]
        here = {request.branch: request for request in mine if request.base in ("", base)}
        elsewhere = {request.branch: request for request in mine if request.branch not in here}
        self._taken = {
            base: f"{base} is the base branch: give [update] another prefix",
            **{name: _OTHERS.format(branch=name, project=project) for name, project in others.items()},
            **{name: _ELSEWHERE.format(there=one.base, base=base) for name, one in elsewhere.items()},
        }
        branches = {name: branch for name, branch in found.items() if name not in others}
        return Facts(self.repository.base, branches, here, elsewhere)

    def _branch(self, name: str, head: Head) -> Branch:
        return Branch(name, head, self._made(name, head), self.repository.is_merged(head.commit))

    def _made(self, name: str, head: Head) -> SealedCommit | None:
        """What lockgen says of its own commit: on another branch it is a copy, and somebody's."""
        made = commits.made_of(head)
        return made if made is not None and self.policy.prefix + made.group == name else None

    def _is_others(self, made: SealedCommit) -> bool:
        """Whether another project of the repository made it; one that moved to another folder is the same."""
        if made.project == self.options.project:
            return False
        return self.repository.read(self.repository.base, _VERSIONS, made.project) is not None

    # -- the run ---------------------------------------------------------------

    def run(self, groups: Sequence[UpdateGroup]) -> Report:
        """Brings branches and pull requests to what ``groups`` ask for, then closes what nothing asks for any more.

        A group that fails is told, and the others go on; where the forge fails, nothing more is asked of it.
        """
        facts = self.facts()
        forge = self.forge is not None
        left = branches.leftover(facts, self.policy, groups, self.options.blind) if forge else []
        ending = [name for name in left if branches.may_end(name, facts)]
        opened = branches.count(facts, self.policy, groups, ending, forge=forge)
        try:
            for group in groups:
                opened += self._kept(group.name, self._group, group, facts, opened)
            for name in left:
                self._kept(name.removeprefix(self.policy.prefix), self._leave, name, facts, groups)
        except _Over as error:
            self.report.faults += error.faults
        return self.report

    def _kept(self, group: str, work: Callable[..., int], *arguments: object) -> int:
        """``work``'s result. Where it fails that is told, and the others go on.

        Raises:
            _Over: the forge as a whole fails.
        """
        try:
            return work(*arguments)
        except _Over:
            raise
        except LockgenError as error:
            self.report.faults += error.faults
            self._tell(group, GroupOutcome.FAILED, None, words(error))
            return 0

    def _asked(self, forge: Forge, ask: Callable[[Forge], Answer]) -> Answer:
        """What ``forge`` answers.

        Raises:
            Refused: it does not take this one thing.
            _Over: nothing more is to be asked of it.
        """
        try:
            return ask(forge)
        except Refused:
            raise
        except ToolFailed as error:
            raise _Over.of(error.faults) from error

    def _tell(self, group: str, deed: GroupOutcome, request: PullRequest | None, why: str | None = None) -> None:
        """One line of the report; ``why`` is by default what the deed says of itself."""
        self._add(GroupResult(group, deed, self.policy.prefix + group, url=request.url if request else None), why)

    def _add(self, told: GroupResult, why: str | None = None) -> None:
        said = _WHY.get(told.deed, "").format(branch=told.branch, limit=self.policy.max_open) if why is None else why
        self.report.told.append(replace(told, why=said))

    # -- what is due -----------------------------------------------------------

    def _group(self, group: UpdateGroup, facts: Facts, opened: int) -> int:
        """What is to be done about one group; 1 where it opened a pull request, else 0."""
        name = self.policy.prefix + group.name
        if name in self._taken:
            self._tell(group.name, GroupOutcome.FOREIGN, facts.elsewhere.get(name), self._taken[name])
            return 0
        request = facts.open.get(name)
        declined = self._declined(name) if request is None else frozenset()
        blind, forge = self.options.blind, self.forge is not None
        verdict = branches.judge(group, self.policy, facts, opened, declined, blind, forge=forge)
        if verdict.deed is not None:
            if request is not None and verdict.missing:
                self._label(request, verdict.missing)
            self._tell(group.name, verdict.deed, request, verdict.why)
            return 0
        self.progress.step(f"updating {group.name}")
        with self.repository.fresh() as folder:
            prepared = self.prepare(group, folder)
            if prepared.story is None:
                self._cannot(group, request, prepared)
                return 0
            tree = self.repository.tree(folder)
        return self._done(group, prepared.story, tree, facts, declined, opened)

    def _declined(self, branch: str) -> frozenset[str]:
        """The moves that a person closed; what lockgen closed itself was not declined."""
        if self.forge is None:
            return frozenset()
        closed = self._asked(self.forge, lambda forge: forge.declined(branch))
        return frozenset(r.moves for r in closed if r.moves is not None and rendering.CLOSED not in r.body)

    def _cannot(self, group: UpdateGroup, request: PullRequest | None, prepared: Prepared) -> None:
        """Tells what stands in the way, and has the pull request that is open say so too: it promised otherwise."""
        self._tell(
            group.name, GroupOutcome.FAILED if prepared.failed else GroupOutcome.UNRESOLVED, request, prepared.why
        )
        if self.forge is None or request is None or request.mark is None or self.options.dry_run:
            return
        body = rendering.outdated(request.body, prepared.why, self.repository.base_name)
        if _lines(body) == _lines(request.body):
            return
        try:
            self._asked(self.forge, lambda forge: forge.edit(request, request.title, body))
        except Refused as error:
            self.report.faults += error.faults

    def _done(
        self,
        group: UpdateGroup,
        story: PullRequestContent,
        tree: str,
        facts: Facts,
        declined: frozenset[str],
        opened: int,
    ) -> int:
        name = self.policy.prefix + group.name
        branch, request = facts.branches.get(name), facts.open.get(name)
        moves = planning.moves_of(story.moves, story.advisories)
        forge = self.forge is not None
        steps = branches.steps(branch, request, tree, facts.base, declined=moves in declined, forge=forge)
        title = rendering.title(story)
        told = GroupResult(group.name, steps.deed, name, title, request.url if request else None, moves=story.moves)
        if steps.adds and opened >= self.policy.max_open and not story.advisories:
            # It was let through because of a vulnerability, and ends none.
            self._add(replace(told, deed=GroupOutcome.LIMITED))
            return 0
        if self.options.dry_run:
            self._add(replace(told, body=rendering.body(story, rendering.NO_COMMIT, moves)))
            return int(steps.adds)
        if not (steps.push or steps.open or steps.edit):
            self._add(told)
            return 0
        commit = branch.head.commit if branch is not None else ""
        if steps.push:
            message = commits.message(story, group.key, moves, self.options.project, tree, facts.base)
            commit = self.repository.commit(tree, message)
            if not self._pushed(commit, branch, told):
                return 0
        body = rendering.body(story, commit, moves)
        if self.forge is not None:
            try:
                request = self._published(self.forge, steps, request, name, title, body)
            except Refused as error:
                self.report.faults += error.faults
                self._add(replace(told, deed=GroupOutcome.FAILED), words(error))
                return 0
            told = replace(told, url=request.url)
        self._add(replace(told, body=body))
        return int(steps.adds)

    def _pushed(self, commit: str, branch: Branch | None, told: GroupResult) -> bool:
        """Whether the branch is ``commit`` now. A remote that refuses is told: the others go on."""
        try:
            done = self.repository.push(told.branch, commit, branch.head.commit if branch is not None else None)
        except ToolFailed as error:
            self.report.faults += error.faults
            self._add(replace(told, deed=GroupOutcome.FAILED), words(error))
            return False
        if not done:
            self._add(replace(told, deed=GroupOutcome.BEATEN))
        return done

    def _published(
        self, forge: Forge, steps: branches.Steps, request: PullRequest | None, name: str, title: str, body: str
    ) -> PullRequest:
        if request is None:
            request = self._asked(forge, lambda forge: forge.open(name, title, body))
            # Somebody was quicker: theirs may tell of another commit.
            steps = replace(steps, edit=request.body != body)
        there = request
        if steps.edit:
            self._asked(forge, lambda forge: forge.edit(there, title, body))
        self._label(there, set(self.policy.labels) - there.labels)
        return there

    def _label(self, request: PullRequest, missing: Collection[str]) -> None:
        """Adds the labels that are missing; one that the forge does not take leaves the pull request as it is."""
        if self.forge is None or self.options.dry_run or not missing:
            return
        try:
            self._asked(self.forge, lambda forge: forge.label(request, sorted(missing)))
        except Refused as error:
            self.report.faults += error.faults

    # -- what is not due any more ----------------------------------------------

    def _leave(self, name: str, facts: Facts, groups: Sequence[UpdateGroup]) -> int:
        """Closes a pull request of lockgen's with a word, and removes its branch where every commit is lockgen's."""
        branch, request = facts.branches.get(name), facts.open.get(name) or facts.elsewhere.get(name)
        group = name.removeprefix(self.policy.prefix)
        if not branches.may_end(name, facts):
            if request is not None and request.mark is not None:
                self._tell(group, GroupOutcome.FOREIGN, request, self._taken.get(name))
            return 0
        merged = self._merged(branch) if branch is not None and request is None else None
        word = _MERGED if merged is not None else self._word(group, branch, groups, facts)
        if request is not None and self.forge is not None and not self.options.dry_run:
            body = rendering.closing(request.body, word)
            self._asked(self.forge, lambda forge: forge.close(request, rendering.spoken(word), body))
        deed = GroupOutcome.CLOSED
        if branch is not None and not self.options.dry_run:
            try:
                self.repository.delete(name, branch.head.commit)
            except ToolFailed as error:
                self.report.faults += error.faults
                deed, word = (
                    GroupOutcome.CLOSED if request is not None else GroupOutcome.FAILED,
                    f"{word}\n{words(error)}",
                )
        self._tell(group, deed, request or merged, word)
        return 0

    def _merged(self, branch: Branch) -> PullRequest | None:
        """The pull request by which this very commit was merged, where the forge tells."""
        if self.forge is None:
            return None
        found = self._asked(self.forge, lambda forge: forge.merged(branch.name))
        return next((request for request in found if request.mark == branch.head.commit), None)

    def _word(self, name: str, branch: Branch | None, groups: Sequence[UpdateGroup], facts: Facts) -> str:
        done = {
            told.branch
            for told in self.report.told
            if told.deed in (GroupOutcome.CREATED, GroupOutcome.REFRESHED, GroupOutcome.UNCHANGED)
        }
        ours = {at for at, one in facts.branches.items() if one.made is not None and not one.merged}
        names = {group.name: self.policy.prefix + group.name for group in groups}
        there = {group: at for group, at in names.items() if at in done | ours | facts.open.keys()}
        message = branch.head.message if branch is not None else ""
        return farewell(name, message, groups, there, self.options.known, self.repository.base_name)

    # -- first sights ----------------------------------------------------------

    def remember(self, text: str, write: WriteSeen) -> None:
        """Keeps ``text``, the record of first sights, on its branch. Somebody else's commit there stays."""
        name = self.policy.prefix + SEEN_BRANCH
        head = self.repository.heads(name).get(name)
        made = self._made(name, head) if head is not None else None
        if head is not None and (made is None or self._is_others(made)):
            self.progress.note(f"{name}: {_WHY[GroupOutcome.FOREIGN].format(branch=name)}")
            return
        if head is not None and self.repository.read(head.commit, SEEN_PATH) == text.encode():
            return
        with self.repository.fresh() as folder:
            write(folder)
            tree = self.repository.tree(folder)
        key = planning.digest(text)
        message = commits.seen_message(self.options.project, SEEN_BRANCH, key, tree, self.repository.base)
        commit = self.repository.commit(tree, message)
        if not self.repository.push(name, commit, head.commit if head is not None else None):
            self.progress.note(f"{name}: another run was quicker; what it saw first counts")


_VERSIONS = "versions.toml"
_MERGED = "Merged: its branch had stayed."
_OTHERS = "{branch} belongs to the project in {project}: give each a prefix of its own in [update]"
_ELSEWHERE = "its pull request goes to {there}: close it, or let it go to {base}"
_WHY = {
    GroupOutcome.FOREIGN: "{branch} has a commit that lockgen did not make; it is left alone. Remove that commit, and it"
    " is refreshed again",
    GroupOutcome.DECLINED: "a pull request with these moves was closed; newer releases will be proposed",
    GroupOutcome.LIMITED: "as many are open as [update] max-open allows: {limit}",
    GroupOutcome.BEATEN: "{branch} changed on the remote during this run; the next run looks again",
}


def _lines(text: str) -> list[str]:
    """For a comparison: a forge may write other line ends, or none at the end."""
    return text.strip().splitlines()


def words(error: LockgenError) -> str:
    """An error as lines of text."""
    lines: list[str] = []
    for fault in error.faults:
        lines += [fault.message, *(fault.reason or "").splitlines(), *([f"hint: {fault.hint}"] if fault.hint else [])]
    return "\n".join(lines)
