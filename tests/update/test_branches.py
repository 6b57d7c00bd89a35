"""Decisions about a group's branch and its pull request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.version import Version

from lockgen.core.update_policy import Policy
from lockgen.update import branches
from lockgen.update.model import (
    Branch,
    Candidate,
    GroupOutcome,
    Head,
    PullRequest,
    RemoteState,
    SealedCommit,
    UnavailableSources,
    UpdateGroup,
)
from lockgen.update.plan import key_of

CANDIDATE = Candidate("a", Version("0"), (Version("1"),))
GROUP = UpdateGroup("g", (CANDIDATE,), partial=False, key=key_of([CANDIDATE]))
SEALED = SealedCommit(".", "g", GROUP.key, "moves")


def branch(commit: str = "c1", tree: str = "t1", base: str = "b1", sealed: SealedCommit | None = SEALED) -> Branch:
    return Branch("lockgen/g", Head(commit, tree, (base,), ""), sealed)


def request(mark: str | None = "c1") -> PullRequest:
    return PullRequest(1, "url", "lockgen/g", "t", "b", frozenset({"dependencies"}), mark, "moves")


def state(branch: Branch | None, request: PullRequest | None) -> RemoteState:
    return RemoteState("b1", {branch.name: branch} if branch else {}, {request.branch: request} if request else {})


def judged(
    found: RemoteState, opened: int = 0, declined: frozenset[str] = frozenset(), *, forge: bool = True
) -> GroupOutcome | None:
    return branches.decide(
        GROUP, Policy(max_open=1), found, opened, declined, UnavailableSources(), forge=forge
    ).outcome


def test_decisions_from_the_remote_state() -> None:
    assert judged(state(None, None)) is None
    assert judged(state(branch(sealed=None), request())) is GroupOutcome.FOREIGN
    assert judged(state(branch(), request())) is GroupOutcome.UNCHANGED
    assert judged(state(branch(), request("older"))) is None
    assert judged(state(branch(), None)) is None
    assert judged(state(branch(base="older"), request())) is None
    assert judged(state(branch(sealed=SealedCommit(".", "g", "other", "moves")), request())) is None
    assert judged(state(branch(), None), declined=frozenset({"moves"})) is GroupOutcome.DECLINED
    assert judged(state(None, None), opened=1) is GroupOutcome.LIMITED
    assert judged(state(None, None), opened=1, forge=False) is GroupOutcome.LIMITED
    assert judged(state(branch(base="older"), None), opened=1, forge=False) is None
    assert judged(state(branch(), None), forge=False) is GroupOutcome.UNCHANGED


def stepped(
    branch: Branch | None, request: PullRequest | None, *, tree: str = "t1", declined: bool = False, forge: bool = True
) -> tuple[str, str]:
    steps = branches.plan_steps(branch, request, tree, "b1", declined=declined, forge=forge)
    taken = [name for name in ("push", "open", "edit") if getattr(steps, name)]
    return str(steps.outcome), " ".join(taken)


def test_the_steps_that_a_prepared_group_takes() -> None:
    assert stepped(None, None) == ("created", "push open")
    assert stepped(None, None, forge=False) == ("created", "push")
    assert stepped(branch(), None) == ("created", "open")
    assert stepped(branch(), request()) == ("unchanged", "")
    assert stepped(branch(), request("older")) == ("refreshed", "edit")
    assert stepped(branch(tree="older"), request()) == ("refreshed", "push edit")
    assert stepped(branch(base="older"), request()) == ("refreshed", "push edit")
    assert stepped(branch(tree="older"), None, forge=False) == ("refreshed", "push")
    assert stepped(branch(sealed=None), request()) == ("foreign", "")
    assert stepped(None, None, declined=True) == ("declined", "")
    assert stepped(None, request(), declined=True) == ("refreshed", "push edit")


def merged(sealed: SealedCommit | None = SEALED) -> Branch:
    return replace(branch(sealed=sealed, base="older"), merged=True)


def test_a_merged_branch_may_be_replaced() -> None:
    for one in (merged(), merged(sealed=None)):
        assert judged(state(one, None)) is None
        assert judged(state(one, None), opened=1, forge=False) is GroupOutcome.LIMITED
        assert stepped(one, None) == ("created", "push open")
        assert stepped(one, None, forge=False) == ("created", "push")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (state(branch(), request()), GroupOutcome.UNCHANGED),
        (state(branch(base="older"), None), GroupOutcome.UNCHANGED),
        (state(None, request()), GroupOutcome.UNCHANGED),
        (state(branch(sealed=None), request()), GroupOutcome.FOREIGN),
        (state(merged(), None), None),
        (state(None, None), None),
    ],
)
def test_a_branch_stays_if_a_source_is_unavailable_and_a_new_group_is_proposed(
    found: RemoteState, expected: GroupOutcome | None
) -> None:
    unavailable = UnavailableSources(groups=frozenset({"g"}))
    decision = branches.decide(GROUP, Policy(labels=("more",)), found, 0, frozenset(), unavailable, forge=True)
    assert (decision.outcome, decision.missing_labels) == (expected, frozenset())
    assert (decision.why == branches.NO_ANSWER) == (expected is GroupOutcome.UNCHANGED)


def test_which_branches_may_be_closed() -> None:
    for found, expected in (
        (state(branch(), request()), True),
        (state(branch(), None), True),
        (state(branch(), request(mark=None)), True),
        (state(None, request()), True),
        (state(None, request(mark=None)), False),
        (state(branch(sealed=None), request()), False),
        (state(merged(sealed=None), None), False),
        (replace(state(branch(), None), elsewhere={"lockgen/g": request()}), False),
    ):
        assert branches.may_close("lockgen/g", found) is expected


def test_which_pull_requests_count_for_the_limit() -> None:
    both = state(branch(), request())
    for found, forge, ending, expected in (
        (both, True, [], 1),
        (both, True, ["lockgen/g"], 0),
        (state(branch(), request(mark=None)), True, [], 0),
        (state(branch(), None), True, [], 0),
        (state(branch(), None), False, [], 1),
        (state(branch(sealed=None), None), False, [], 0),
        (state(merged(), None), False, [], 0),
        (RemoteState("b1", {"lockgen/other": branch()}, {}), False, [], 0),
    ):
        assert branches.count_open(found, Policy(), [GROUP], ending, forge=forge) == expected


def made_with(message: str) -> Branch:
    return Branch("lockgen/x", Head("c1", "t1", ("b1",), message), SealedCommit(".", "x", "k", "m"))


def test_no_branch_is_closed_if_its_source_is_unavailable() -> None:
    found = {f"lockgen/{name}": made_with(said) for name, said in (("a", "update a"), ("b", "security: update b"))}
    facts = RemoteState("b1", found, {})
    for blind, closed in (
        (UnavailableSources(), ["lockgen/a", "lockgen/b"]),
        (UnavailableSources(vulnerabilities=True), ["lockgen/a"]),
        (UnavailableSources(groups=frozenset({"a"})), ["lockgen/b"]),
    ):
        assert branches.leftover_branches(facts, Policy(), [], blind) == closed
