"""Decide what to do with each group's branch and pull request, from the state of the remote alone.

Pure. A run that was killed between any two steps leaves a state from which the next run continues.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lockgen.core.update_policy import SEEN_BRANCH, Policy
from lockgen.update.model import (
    SECURITY,
    Branch,
    GroupOutcome,
    PullRequest,
    RemoteState,
    UnavailableSources,
    UpdateGroup,
)

NOT_AUDITED = "not changed: it fixes a known vulnerability, but this run could not read the advisories"
NO_ANSWER = "not changed: a registry or an index did not answer"


@dataclass(frozen=True, slots=True)
class BranchDecision:
    """The decision about a group before it is resolved. ``outcome`` is None for a group that must be prepared."""

    outcome: GroupOutcome | None
    missing_labels: frozenset[str] = frozenset()
    """Labels to add to its pull request."""
    why: str | None = None
    """An explanation instead of the default one of the outcome."""


def decide(
    group: UpdateGroup,
    policy: Policy,
    state: RemoteState,
    opened: int,
    declined: frozenset[str],
    unavailable: UnavailableSources,
    *,
    forge: bool,
) -> BranchDecision:
    """Whether ``group`` must be prepared. ``opened`` counts the open pull requests; without ``forge``, branches.

    ``declined`` are the moves whose pull requests a person closed. If a source of the group is ``unavailable``, an
    existing branch stays: made again, it would lose the updates from that source. A group without a branch is proposed
    with the known updates, as a security fix must not wait for a registry; the rest joins in a later run.
    """
    name = policy.prefix + group.name
    branch = state.branches.get(name)
    request = state.open.get(name)
    # This comes before everything else: no failure or policy may lead to a push over a person's commit.
    if branch is not None and branch.is_foreign:
        return BranchDecision(GroupOutcome.FOREIGN)
    pending = unmerged(branch)
    if group.name in unavailable.groups and (pending is not None or request is not None):
        return BranchDecision(GroupOutcome.UNCHANGED, why=NO_ANSWER)
    if unavailable.vulnerabilities and is_security(pending):
        return BranchDecision(GroupOutcome.UNCHANGED, why=NOT_AUDITED)
    if branch is not None and is_current(branch, group, state.base):
        decision = _decide_current(branch, request, policy, declined, forge=forge)
        if decision is not None:
            return decision
    exists = (request if forge else pending) is not None
    # The limit never delays a security fix, nor the refresh of what is already open.
    if not exists and opened >= policy.max_open and not group.security:
        return BranchDecision(GroupOutcome.LIMITED)
    return BranchDecision(None)


def _decide_current(
    branch: Branch, request: PullRequest | None, policy: Policy, declined: frozenset[str], *, forge: bool
) -> BranchDecision | None:
    """The decision about a branch that is up to date; None if its pull request is missing or describes less."""
    if not forge:
        return BranchDecision(GroupOutcome.UNCHANGED)
    if request is None:
        # The branch of a declined pull request may still exist. Without this it would be opened again.
        if branch.sealed is not None and branch.sealed.moves in declined:
            return BranchDecision(GroupOutcome.DECLINED)
        # A run was killed between the push and the opening.
        return None
    if request.mark == branch.head.commit:
        missing = frozenset(policy.labels) - request.labels
        return BranchDecision(GroupOutcome.UNCHANGED, missing)
    # A run was killed between the push and the edit: the text describes an older commit.
    return None


def unmerged(branch: Branch | None) -> Branch | None:
    """``branch`` if it has commits that the base branch does not have, else None."""
    if branch is None or branch.merged:
        return None
    return branch


def is_current(branch: Branch, group: UpdateGroup, base: str) -> bool:
    """Whether ``branch`` was made from these candidates, on this base commit."""
    if branch.sealed is None or branch.sealed.key != group.key:
        return False
    return branch.head.parents == (base,)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps that publish a prepared group, in order: push the commit, then open the pull request or edit its text.

    A step whose result already exists is left out. So a run continues where a killed one stopped.
    """

    outcome: GroupOutcome
    push: bool = False
    open: bool = False
    edit: bool = False

    @property
    def adds(self) -> bool:
        """Whether the steps add a pull request, or a branch without a forge."""
        return self.outcome is GroupOutcome.CREATED


def plan_steps(
    branch: Branch | None, request: PullRequest | None, tree: str, base: str, *, declined: bool, forge: bool
) -> Steps:
    """The steps for a resolved ``tree``. ``declined``: a person closed a pull request with the same moves."""
    if branch is not None and branch.is_foreign:
        return Steps(GroupOutcome.FOREIGN)
    # An open pull request with these moves was opened again by a person, which counts more.
    if declined and request is None:
        return Steps(GroupOutcome.DECLINED)
    # The tree and the parent decide, not the commit: its id changes with the time.
    pushed = branch is not None and branch.head.tree == tree and branch.head.parents == (base,)
    described = branch is not None and request is not None and request.mark == branch.head.commit
    if pushed and (described or not forge):
        return Steps(GroupOutcome.UNCHANGED)
    existing = request if forge else unmerged(branch)
    outcome = GroupOutcome.CREATED if existing is None else GroupOutcome.REFRESHED
    return Steps(
        outcome,
        push=not pushed,
        open=forge and request is None,
        edit=forge and request is not None,
    )


def leftover_branches(
    state: RemoteState, policy: Policy, groups: Iterable[UpdateGroup], unavailable: UnavailableSources
) -> list[str]:
    """The branches under the prefix that no group with updates uses, sorted.

    Branches that depend on an ``unavailable`` source are not among them: their update may still be available.
    """
    # The record of first-seen times is a branch without a group.
    used = {SEEN_BRANCH, *unavailable.groups}
    used.update(group.name for group in groups)
    existing = {*state.branches, *state.open, *state.elsewhere}
    left = []
    for name in sorted(existing - {policy.prefix + group for group in used}):
        branch = unmerged(state.branches.get(name))
        if unavailable.vulnerabilities and is_security(branch):
            continue
        left.append(name)
    return left


def may_close(name: str, state: RemoteState) -> bool:
    """Whether lockgen may close and delete a leftover branch: it made the commits, or without a branch the text.

    A branch with a pull request to another base is in use there.
    """
    # A person changed the target of the pull request, and works with the branch.
    if name in state.elsewhere:
        return False
    branch = state.branches.get(name)
    if branch is not None:
        return branch.sealed is not None
    request = state.open.get(name)
    return request is not None and request.mark is not None


def count_open(
    state: RemoteState, policy: Policy, groups: Iterable[UpdateGroup], closing: Iterable[str], *, forge: bool
) -> int:
    """How many pull requests count for max-open: lockgen's open ones, except those of the ``closing`` branches.

    Without ``forge``, count the branches of the groups with updates. Other branches may have been merged by a squash,
    which only a forge could report, so they do not count.
    """
    if forge:
        marked = {name for name, request in state.open.items() if request.mark is not None}
        return len(marked - set(closing))
    found = 0
    for group in groups:
        branch = unmerged(state.branches.get(policy.prefix + group.name))
        if branch is not None and branch.sealed is not None:
            found += 1
    return found


def is_security(branch: Branch | None) -> bool:
    """Whether lockgen made ``branch`` to fix a known vulnerability, by the title of its sealed commit."""
    if branch is None or branch.sealed is None:
        return False
    return branch.head.message.startswith(SECURITY)
