"""One run of `lockgen update`: from what is due to branches and pull requests, through the ports.

Each group is a row of steps (push, then open or edit, then label), and each step is left out where the remote shows
that it was done. A push names the commit that it replaces: that is the lock between two runs, and what keeps a run
from overwriting somebody's commit. So a run that is killed between any two steps is completed by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lockgen.errors import Fault, LockgenError, Refused, ToolFailed
from lockgen.model.policy import BASES_GROUP, SEEN_BRANCH, Policy
from lockgen.model.update import SEEN_PATH, Blind, Branch, Deed, Facts, Group, PullRequest, Story, Told
from lockgen.planning import branches
from lockgen.planning import updates as planning
from lockgen.ports import Forge, Progress, Repository
from lockgen.rendering import pullrequest as rendering


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a group in a fresh folder: its story; or None, and ``why`` in the words of `lockgen explain`.

    ``failed``: it resolves, and `check` finds something.
    """

    story: Story | None
    why: str = ""
    failed: bool = False


Prepare = Callable[[Group, str], Prepared]
"""Moves a group in a fresh folder of the project."""
WriteSeen = Callable[[str], None]
"""Writes the record of first sights into a fresh folder."""


@dataclass(frozen=True)
class Options:
    """``project`` is the folder of versions.toml in the repository. ``dry_run`` changes nothing anywhere.

    What the run is ``blind`` to stays as it is.
    """

    policy: Policy
    project: str = "."
    dry_run: bool = False
    blind: Blind = field(default_factory=Blind)


@dataclass
class Report:
    """What came of each group, in order, and what failed on the way."""

    told: list[Told] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class Updater:
    """``forge`` None makes branches only."""

    def __init__(
        self, repository: Repository, forge: Forge | None, prepare: Prepare, options: Options, progress: Progress
    ) -> None:
        self.repository, self.forge, self.prepare = repository, forge, prepare
        self.options, self.progress = options, progress
        self.policy = options.policy
        self.report = Report()
        self._others: dict[str, str] = {}

    def facts(self) -> Facts:
        """The branches under the prefix that are this project's or somebody's, and the open pull requests."""
        branches = {
            name: Branch(name, head, rendering.made_of(head))
            for name, head in self.repository.heads(self.policy.prefix).items()
        }
        made = {name: branch.made.project for name, branch in branches.items() if branch.made is not None}
        others = {name: project for name, project in made.items() if project != self.options.project}
        self._others = others
        opened = self.forge.opened(self.policy.prefix) if self.forge is not None else ()
        return Facts(
            self.repository.base,
            {name: branch for name, branch in branches.items() if name not in others},
            {request.branch: request for request in opened if request.branch not in others},
        )

    # -- the run ---------------------------------------------------------------

    def run(self, groups: Sequence[Group]) -> Report:
        """Brings branches and pull requests to what ``groups`` ask for.

        A group that fails is told, and the others go on; where the forge fails, nothing more is asked of it.
        """
        facts = self.facts()
        try:
            if self.forge is not None:
                for branch in branches.leftover(facts, self.policy, groups, self.options.blind):
                    self._close(branch, facts, groups)
            closed = {told.branch for told in self.report.told if told.deed is Deed.CLOSED}
            opened = sum(1 for r in facts.open.values() if r.mark is not None and r.branch not in closed)
            if self.forge is None:
                made = {name for name, branch in facts.branches.items() if branch.made is not None}
                opened = len(made - {self.policy.prefix + SEEN_BRANCH})
            for group in groups:
                opened += self._group(group, facts, opened)
        except ToolFailed as error:
            self.report.faults += error.faults
        return self.report

    def _tell(self, group: str, deed: Deed, request: PullRequest | None, why: str | None = None) -> None:
        """One line of the report; ``why`` is by default what the deed says of itself."""
        self._add(Told(group, deed, self.policy.prefix + group, url=request.url if request else None), why)

    def _add(self, told: Told, why: str | None = None) -> None:
        said = _WHY.get(told.deed, "").format(branch=told.branch, limit=self.policy.max_open) if why is None else why
        self.report.told.append(replace(told, why=said))

    def _group(self, group: Group, facts: Facts, opened: int) -> int:
        """What is to be done about one group; 1 where it opened a pull request, else 0."""
        name = self.policy.prefix + group.name
        if name in self._others:
            said = f"{name} belongs to the project in {self._others[name]}: give each a prefix of its own in [update]"
            self._tell(group.name, Deed.FOREIGN, None, said)
            return 0
        request = facts.open.get(name)
        declined = self._declined(name) if request is None else frozenset()
        blind, forge = self.options.blind, self.forge is not None
        verdict = branches.judge(group, self.policy, facts, opened, declined, blind, forge=forge)
        if verdict.deed is not None:
            if request is not None and verdict.missing and self.forge is not None and not self.options.dry_run:
                self.forge.label(request, sorted(verdict.missing))
            self._tell(group.name, verdict.deed, request, verdict.why)
            return 0
        self.progress.step(f"updating {group.name}")
        with self.repository.fresh() as folder:
            try:
                prepared = self.prepare(group, folder)
            except LockgenError as error:
                self.report.faults += error.faults
                prepared = Prepared(None, words(error), failed=True)
            if prepared.story is None:
                deed = Deed.FAILED if prepared.failed else Deed.UNRESOLVED
                self._tell(group.name, deed, request, prepared.why)
                return 0
            tree = self.repository.tree(folder)
        return self._done(group, prepared.story, tree, facts, declined)

    def _declined(self, branch: str) -> frozenset[str]:
        """The moves that a person closed; what lockgen closed itself was not declined."""
        if self.forge is None:
            return frozenset()
        closed = self.forge.declined(branch)
        return frozenset(r.moves for r in closed if r.moves is not None and rendering.CLOSED not in r.body)

    def _done(self, group: Group, story: Story, tree: str, facts: Facts, declined: frozenset[str]) -> int:
        name = self.policy.prefix + group.name
        branch, request = facts.branches.get(name), facts.open.get(name)
        moves = planning.moves_of(story.moves)
        forge = self.forge is not None
        steps = branches.steps(branch, request, tree, facts.base, declined=moves in declined, forge=forge)
        title = rendering.title(story)
        told = Told(group.name, steps.deed, name, title, request.url if request else None, moves=story.moves)
        if self.options.dry_run:
            self._add(replace(told, body=rendering.body(story, _NO_COMMIT, moves)))
            return int(steps.adds)
        if not (steps.push or steps.open or steps.edit):
            self._add(told)
            return 0
        commit = branch.head.commit if branch is not None else ""
        if steps.push:
            message = rendering.message(story, group.key, moves, self.options.project, tree, facts.base)
            commit = self.repository.commit(tree, message)
            if not self._pushed(commit, branch, told):
                return 0
        body = rendering.body(story, commit, moves)
        if self.forge is not None:
            try:
                request = self._published(self.forge, steps, request, name, title, body)
            except Refused as error:
                self.report.faults += error.faults
                self._add(replace(told, deed=Deed.FAILED), words(error))
                return 0
            told = replace(told, url=request.url)
        self._add(replace(told, body=body))
        return int(steps.adds)

    def _pushed(self, commit: str, branch: Branch | None, told: Told) -> bool:
        """Whether the branch is ``commit`` now. A remote that refuses is told: the others go on."""
        try:
            done = self.repository.push(told.branch, commit, branch.head.commit if branch is not None else None)
        except ToolFailed as error:
            self.report.faults += error.faults
            self._add(replace(told, deed=Deed.FAILED), words(error))
            return False
        if not done:
            self._add(replace(told, deed=Deed.BEATEN))
        return done

    def _published(
        self, forge: Forge, steps: branches.Steps, request: PullRequest | None, name: str, title: str, body: str
    ) -> PullRequest:
        if request is None:
            request = forge.open(name, title, body)
            # Somebody was quicker: theirs may tell of another commit.
            steps = replace(steps, edit=request.body != body)
        if steps.edit:
            forge.edit(request, title, body)
        missing = sorted(set(self.policy.labels) - request.labels)
        if missing:
            forge.label(request, missing)
        return request

    # -- what is not due any more ----------------------------------------------

    def _close(self, name: str, facts: Facts, groups: Sequence[Group]) -> None:
        """Closes a pull request of lockgen's with a word, and removes its branch where every commit is lockgen's."""
        branch, request = facts.branches.get(name), facts.open.get(name)
        ours = branch is not None and branch.made is not None
        group = name.removeprefix(self.policy.prefix)
        marked = request is not None and request.mark is not None
        if branch is not None and not ours:
            if marked:
                self._tell(group, Deed.FOREIGN, request)
            return
        if not ours and not marked:
            return
        word = self._word(group, groups)
        if not self.options.dry_run:
            if request is not None and self.forge is not None:
                self.forge.close(request, word, rendering.closing(request.body, word))
            if branch is not None:
                self.repository.delete(name, branch.head.commit)
        self._tell(group, Deed.CLOSED, request, word)

    def _word(self, name: str, groups: Sequence[Group]) -> str:
        other = next((group.name for group in groups if _holds(group, name)), None)
        if other is not None:
            return f"Superseded: {name} moves with {other} now, on the branch {self.policy.prefix}{other}."
        base = self.repository.base_name
        return f"Superseded: {base} has these versions or newer ones, or versions.toml does not ask for them any more."

    # -- first sights ----------------------------------------------------------

    def remember(self, text: str, write: WriteSeen) -> None:
        """Keeps ``text``, the record of first sights, on its branch. Somebody else's commit there stays."""
        name = self.policy.prefix + SEEN_BRANCH
        head = self.repository.heads(name).get(name)
        made = rendering.made_of(head) if head is not None else None
        if head is not None and (made is None or made.project != self.options.project):
            self.progress.note(f"{name}: {_WHY[Deed.FOREIGN].format(branch=name)}")
            return
        if head is not None and self.repository.read(head.commit, SEEN_PATH) == text.encode():
            return
        with self.repository.fresh() as folder:
            write(folder)
            tree = self.repository.tree(folder)
        key = planning.digest(text)
        message = rendering.seen_message(self.options.project, SEEN_BRANCH, key, tree, self.repository.base)
        commit = self.repository.commit(tree, message)
        if not self.repository.push(name, commit, head.commit if head is not None else None):
            self.progress.note(f"{name}: another run was quicker; what it saw first counts")


def _holds(group: Group, name: str) -> bool:
    """Whether what the group ``name`` was of moves with ``group``."""
    return any(candidate.name == name for candidate in group.candidates) or (name == BASES_GROUP and bool(group.bases))


_NO_COMMIT = "0" * 40
_WHY = {
    Deed.FOREIGN: "{branch} holds somebody else's commit: it is left alone; remove the branch to have it made anew",
    Deed.DECLINED: "a pull request with these moves was closed; newer releases will be proposed",
    Deed.LIMITED: "as many are open as [update] max-open allows: {limit}",
    Deed.BEATEN: "{branch} changed on the remote while this ran: another run was quicker; the next one looks again",
}


def words(error: LockgenError) -> str:
    """An error as lines of text."""
    lines: list[str] = []
    for fault in error.faults:
        lines += [fault.message, *(fault.reason or "").splitlines(), *([f"hint: {fault.hint}"] if fault.hint else [])]
    return "\n".join(lines)
