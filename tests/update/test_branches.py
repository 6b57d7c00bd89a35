"""What follows from the facts about a group's branch and its pull request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.version import Version

from lockgen.core.update_policy import Policy
from lockgen.update import branches
from lockgen.update.model import (
    Branch,
    Candidate,
    Facts,
    GroupOutcome,
    Head,
    PullRequest,
    SealedCommit,
    UnavailableSources,
    UpdateGroup,
)
from lockgen.update.plan import key_of

CANDIDATE = Candidate("a", Version("0"), (Version("1"),))
GROUP = UpdateGroup("g", (CANDIDATE,), partial=False, key=key_of([CANDIDATE]))
MADE = SealedCommit(".", "g", GROUP.key, "moves")


def branch(commit: str = "c1", tree: str = "t1", base: str = "b1", made: SealedCommit | None = MADE) -> Branch:
    return Branch("lockgen/g", Head(commit, tree, (base,), ""), made)


def request(mark: str | None = "c1") -> PullRequest:
    return PullRequest(1, "url", "lockgen/g", "t", "b", frozenset({"dependencies"}), mark, "moves")


def facts(branch: Branch | None, request: PullRequest | None) -> Facts:
    return Facts("b1", {branch.name: branch} if branch else {}, {request.branch: request} if request else {})


def judged(
    found: Facts, opened: int = 0, declined: frozenset[str] = frozenset(), *, forge: bool = True
) -> GroupOutcome | None:
    return branches.judge(GROUP, Policy(max_open=1), found, opened, declined, UnavailableSources(), forge=forge).deed


def test_what_the_facts_say_before_anything_is_resolved() -> None:
    assert judged(facts(None, None)) is None
    assert judged(facts(branch(made=None), request())) is GroupOutcome.FOREIGN
    assert judged(facts(branch(), request())) is GroupOutcome.UNCHANGED
    assert judged(facts(branch(), request("older"))) is None
    assert judged(facts(branch(), None)) is None
    assert judged(facts(branch(base="older"), request())) is None
    assert judged(facts(branch(made=SealedCommit(".", "g", "other", "moves")), request())) is None
    assert judged(facts(branch(), None), declined=frozenset({"moves"})) is GroupOutcome.DECLINED
    assert judged(facts(None, None), opened=1) is GroupOutcome.LIMITED
    assert judged(facts(None, None), opened=1, forge=False) is GroupOutcome.LIMITED
    assert judged(facts(branch(base="older"), None), opened=1, forge=False) is None
    assert judged(facts(branch(), None), forge=False) is GroupOutcome.UNCHANGED


def stepped(
    branch: Branch | None, request: PullRequest | None, *, tree: str = "t1", declined: bool = False, forge: bool = True
) -> tuple[str, str]:
    steps = branches.steps(branch, request, tree, "b1", declined=declined, forge=forge)
    taken = [name for name in ("push", "open", "edit") if getattr(steps, name)]
    return str(steps.deed), " ".join(taken)


def test_the_steps_that_a_prepared_group_takes() -> None:
    assert stepped(None, None) == ("created", "push open")
    assert stepped(None, None, forge=False) == ("created", "push")
    assert stepped(branch(), None) == ("created", "open")
    assert stepped(branch(), request()) == ("unchanged", "")
    assert stepped(branch(), request("older")) == ("refreshed", "edit")
    assert stepped(branch(tree="older"), request()) == ("refreshed", "push edit")
    assert stepped(branch(base="older"), request()) == ("refreshed", "push edit")
    assert stepped(branch(tree="older"), None, forge=False) == ("refreshed", "push")
    assert stepped(branch(made=None), request()) == ("foreign", "")
    assert stepped(None, None, declined=True) == ("declined", "")
    assert stepped(None, request(), declined=True) == ("refreshed", "push edit")


def merged(made: SealedCommit | None = MADE) -> Branch:
    return replace(branch(made=made, base="older"), merged=True)


def test_nothing_can_be_lost_with_what_was_merged() -> None:
    for one in (merged(), merged(made=None)):
        assert judged(facts(one, None)) is None
        assert judged(facts(one, None), opened=1, forge=False) is GroupOutcome.LIMITED
        assert stepped(one, None) == ("created", "push open")
        assert stepped(one, None, forge=False) == ("created", "push")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (facts(branch(), request()), GroupOutcome.UNCHANGED),
        (facts(branch(base="older"), None), GroupOutcome.UNCHANGED),
        (facts(None, request()), GroupOutcome.UNCHANGED),
        (facts(branch(made=None), request()), GroupOutcome.FOREIGN),
        (facts(merged(), None), None),
        (facts(None, None), None),
    ],
)
def test_what_a_run_is_blind_to_stays_and_what_is_known_is_proposed(
    found: Facts, expected: GroupOutcome | None
) -> None:
    blind = UnavailableSources(groups=frozenset({"g"}))
    verdict = branches.judge(GROUP, Policy(labels=("more",)), found, 0, frozenset(), blind, forge=True)
    assert (verdict.deed, verdict.missing) == (expected, frozenset())
    assert (verdict.why == branches.NO_ANSWER) == (expected is GroupOutcome.UNCHANGED)


def test_what_may_be_closed_and_removed() -> None:
    for found, expected in (
        (facts(branch(), request()), True),
        (facts(branch(), None), True),
        (facts(branch(), request(mark=None)), True),
        (facts(None, request()), True),
        (facts(None, request(mark=None)), False),
        (facts(branch(made=None), request()), False),
        (facts(merged(made=None), None), False),
        (replace(facts(branch(), None), elsewhere={"lockgen/g": request()}), False),
    ):
        assert branches.may_end("lockgen/g", found) is expected


def test_how_many_count() -> None:
    both = facts(branch(), request())
    for found, forge, ending, expected in (
        (both, True, [], 1),
        (both, True, ["lockgen/g"], 0),
        (facts(branch(), request(mark=None)), True, [], 0),
        (facts(branch(), None), True, [], 0),
        (facts(branch(), None), False, [], 1),
        (facts(branch(made=None), None), False, [], 0),
        (facts(merged(), None), False, [], 0),
        (Facts("b1", {"lockgen/other": branch()}, {}), False, [], 0),
    ):
        assert branches.count(found, Policy(), [GROUP], ending, forge=forge) == expected


def made_with(message: str) -> Branch:
    return Branch("lockgen/x", Head("c1", "t1", ("b1",), message), SealedCommit(".", "x", "k", "m"))


def test_of_what_a_run_cannot_see_no_branch_is_closed() -> None:
    found = {f"lockgen/{name}": made_with(said) for name, said in (("a", "update a"), ("b", "security: update b"))}
    facts = Facts("b1", found, {})
    for blind, closed in (
        (UnavailableSources(), ["lockgen/a", "lockgen/b"]),
        (UnavailableSources(weaknesses=True), ["lockgen/a"]),
        (UnavailableSources(groups=frozenset({"a"})), ["lockgen/b"]),
    ):
        assert branches.leftover(facts, Policy(), [], blind) == closed
