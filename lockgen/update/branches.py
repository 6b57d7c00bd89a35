"""What to do about each group's branch and pull request: decisions that follow from facts alone.

Nothing here touches anything. So a run that was killed between any two steps leaves facts from which the next one
goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lockgen.core.update_policy import SEEN_BRANCH, Policy
from lockgen.update.model import SECURITY, Branch, Facts, GroupOutcome, PullRequest, UnavailableSources, UpdateGroup


@dataclass(frozen=True, slots=True)
class BranchDecision:
    """What the facts say of a group before anything is resolved. ``deed`` is None where it has to be prepared."""

    deed: GroupOutcome | None
    missing: frozenset[str] = frozenset()
    """Labels that its pull request lacks."""
    why: str | None = None
    """What the deed does not say of itself."""


NOBODY_ASKED = "it was made for a known vulnerability, and nobody was asked about those this time: it stays as it is"
NO_ANSWER = "a registry or an index did not answer: it stays as it is"


def judge(
    group: UpdateGroup,
    policy: Policy,
    facts: Facts,
    opened: int,
    declined: frozenset[str],
    blind: UnavailableSources,
    *,
    forge: bool,
) -> BranchDecision:
    """Whether ``group`` has to be prepared. ``opened`` pull requests are open now, without ``forge`` branches.

    ``declined`` names the moves whose pull requests a person closed. Of a group that the run is ``blind`` to, what
    there is stays: made anew it would lose what nobody can see today. Where there is nothing yet, what is known is
    proposed, as a fix of a vulnerability should not wait for a registry; the rest joins it later.
    """
    name = policy.prefix + group.name
    branch, request = facts.branches.get(name), facts.open.get(name)
    if branch is not None and branch.is_foreign:
        return BranchDecision(GroupOutcome.FOREIGN)
    there = request if forge else live(branch)
    if group.name in blind.groups and (live(branch) is not None or request is not None):
        return BranchDecision(GroupOutcome.UNCHANGED, why=NO_ANSWER)
    if blind.weaknesses and is_security(live(branch)):
        return BranchDecision(GroupOutcome.UNCHANGED, why=NOBODY_ASKED)
    if branch is not None and is_current(branch, group, facts.base):
        if not forge:
            return BranchDecision(GroupOutcome.UNCHANGED)
        if request is not None and request.mark == branch.head.commit:
            return BranchDecision(GroupOutcome.UNCHANGED, frozenset(policy.labels) - request.labels)
        if request is None and branch.made is not None and branch.made.moves in declined:
            return BranchDecision(GroupOutcome.DECLINED)
    if there is None and opened >= policy.max_open and not group.security:
        return BranchDecision(GroupOutcome.LIMITED)
    return BranchDecision(None)


def live(branch: Branch | None) -> Branch | None:
    """``branch``, where it has something that the base branch has not."""
    return None if branch is None or branch.merged else branch


def is_current(branch: Branch, group: UpdateGroup, base: str) -> bool:
    """Whether ``branch`` was made from these candidates, on this commit."""
    return branch.made is not None and branch.made.key == group.key and branch.head.parents == (base,)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a prepared group takes, in this order: push its commit, open a pull request or edit the text of the one
    there is. Each is left out where its outcome is there already, so a killed run is gone on with.
    """

    deed: GroupOutcome
    push: bool = False
    open: bool = False
    edit: bool = False

    @property
    def adds(self) -> bool:
        """Whether there is one more pull request, or branch, after it."""
        return self.deed is GroupOutcome.CREATED


def steps(
    branch: Branch | None, request: PullRequest | None, tree: str, base: str, *, declined: bool, forge: bool
) -> Steps:
    """What to do with a tree that resolved. ``declined``: a person closed a pull request with the same moves."""
    if branch is not None and branch.is_foreign:
        return Steps(GroupOutcome.FOREIGN)
    if declined and request is None:
        return Steps(GroupOutcome.DECLINED)
    same = branch is not None and branch.head.tree == tree and branch.head.parents == (base,)
    told = request is not None and branch is not None and request.mark == branch.head.commit
    if same and (told or not forge):
        return Steps(GroupOutcome.UNCHANGED)
    created = live(branch) is None if not forge else request is None
    return Steps(
        GroupOutcome.CREATED if created else GroupOutcome.REFRESHED,
        push=not same,
        open=forge and request is None,
        edit=forge and request is not None,
    )


def leftover(facts: Facts, policy: Policy, groups: Iterable[UpdateGroup], blind: UnavailableSources) -> list[str]:
    """The branches under the prefix that no due group has, sorted: their groups moved, or are no more.

    Of what this run is ``blind`` to nobody can say that.
    """
    wanted = {policy.prefix + name for name in (SEEN_BRANCH, *(group.name for group in groups), *blind.groups)}
    there = {*facts.branches, *facts.open, *facts.elsewhere} - wanted
    return sorted(name for name in there if not (blind.weaknesses and is_security(live(facts.branches.get(name)))))


def may_end(name: str, facts: Facts) -> bool:
    """Whether a leftover is lockgen's to close and to remove: every commit on its branch is, or it has none and the
    pull request is; and none goes to another base.
    """
    branch, request = facts.branches.get(name), facts.open.get(name)
    if name in facts.elsewhere or (branch is not None and branch.made is None):
        return False
    return branch is not None or (request is not None and request.mark is not None)


def count(facts: Facts, policy: Policy, groups: Iterable[UpdateGroup], ending: Iterable[str], *, forge: bool) -> int:
    """How many count for max-open: lockgen's open pull requests, but for those of ``ending`` branches; without
    ``forge`` the branches of what is due. Nobody there says that one was merged, so those of others count no more.
    """
    if forge:
        marked = {name for name, request in facts.open.items() if request.mark is not None}
        return len(marked - set(ending))
    due = (facts.branches.get(policy.prefix + group.name) for group in groups)
    return sum(1 for branch in due if branch is not None and branch.made is not None and not branch.merged)


def is_security(branch: Branch | None) -> bool:
    """Whether lockgen made ``branch`` because of a known vulnerability: its sealed commit says so."""
    return branch is not None and branch.made is not None and branch.head.message.startswith(SECURITY)
